"""The format: whatever is written comes back, and a cut or changed byte never does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import wording
from gateway.audit.segment import FIRST, LONGEST, Record, SegmentName, Torn, canonical, frame, mac, read, segments

from .accesses import KEY

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)
NAME = SegmentName(1, 1)


def chained(payloads: list[bytes]) -> bytes:
    data, before = b"", FIRST
    for payload in payloads:
        record, before = frame(KEY, before, payload)
        data += record
    return data


def whole(path: Path) -> list[bytes]:
    return [item.payload for item in read(path) if isinstance(item, Record)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return NAME.path(tmp_path_factory.mktemp("segment"))


@given(values=st.lists(JSON, min_size=1, max_size=6), zeros=st.integers(0, 200))
def test_what_is_written_comes_back(path: Path, values: list[object], zeros: int) -> None:
    """Any values come back in order, each chained to the one before, allocated space behind them or not."""
    payloads = [canonical({"v": value}) for value in values]
    path.write_bytes(chained(payloads) + bytes(zeros))
    found, before = list(read(path)), FIRST
    assert [json.loads(item.payload)["v"] for item in found if isinstance(item, Record)] == values
    for item in found:
        assert isinstance(item, Record)
        assert item.mac == mac(KEY, before, item.payload)
        before = item.mac


@given(values=st.lists(JSON, min_size=1, max_size=4), data=st.data())
def test_a_file_cut_anywhere_gives_the_records_before_the_cut(
    path: Path, values: list[object], data: st.DataObject
) -> None:
    """A torn write costs the record that it tore, and never gives half of one."""
    payloads = [canonical({"v": value}) for value in values]
    bytes_ = chained(payloads)
    at = data.draw(st.integers(0, len(bytes_) - 1))
    path.write_bytes(bytes_[:at])
    found = whole(path)
    assert found == payloads[: len(found)]
    assert len(chained(found)) <= at
    rest = bytes_[len(chained(found)) : at].rstrip(b"\0")
    torn = [item for item in read(path) if isinstance(item, Torn)]
    assert [item.length for item in torn] == ([len(rest)] if rest else [])


@given(position=st.integers(0), bit=st.integers(0, 7))
def test_a_changed_bit_never_verifies(path: Path, position: int, bit: int) -> None:
    """Whichever bit of a record is changed: its checksum or its mac says so."""
    payloads = [canonical({"v": n}) for n in range(4)]
    changed = bytearray(chained(payloads))
    changed[position % len(changed)] ^= 1 << bit
    path.write_bytes(changed)
    proven, before = [], FIRST
    for item in read(path):
        if isinstance(item, Torn) or mac(KEY, before, item.payload) != item.mac:
            break
        proven.append(item.payload)
        before = item.mac
    assert proven == payloads[: len(proven)]
    assert len(proven) < len(payloads)


def test_a_length_that_no_record_has_is_not_read(path: Path) -> None:
    """A lying length cannot make the reader take gigabytes into memory."""
    path.write_bytes((LONGEST + 1).to_bytes(4, "big") + b"x" * 100)
    assert [type(item) for item in read(path)] == [Torn]


@pytest.mark.parametrize("odd", ["\n", "\r\n", "\0", "\x1b[2J", "\u2028", '","type":"fake', "\ud800", "\x85"])
def test_odd_characters_stay_inside_their_field(odd: str) -> None:
    """Line ends, escapes and half surrogates in what a client sends forge no event and cost none. (HTTP-276)"""
    data = wording.written({"agent": f"a{odd}b", "request": "r"})
    assert set(json.loads(data)) == {"agent", "request"}
    assert not any(byte < 0x20 for byte in data)


def test_only_segments_are_taken_for_segments(tmp_path: Path) -> None:
    """A file that somebody laid beside the segments is not read as one."""
    for name in ("00000001-00000002.seg", "00000001-00000001.seg", "x-y.seg", "lock", "reserve"):
        (tmp_path / name).touch()
    assert [path.name for path in segments(tmp_path)] == ["00000001-00000001.seg", "00000001-00000002.seg"]
