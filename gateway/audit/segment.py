"""Records in a file: framed, checksummed, chained.

    record  = length (4, big-endian) · CRC-32 of the payload (4) · mac (32) · payload
    mac(n)  = HMAC-SHA-256(journal key, mac(n-1) · payload(n))
    payload = canonical JSON: keys sorted, no blanks, UTF-8

A segment begins with a header (writer, epoch, index, the sequence that follows, the mac that it continues) and, when it was
closed in good order, ends with a closing record. Between them stand events. Length zero ends a segment that was
pre-allocated and not closed.

The CRC finds a torn write (zlib's CRC-32: nothing in the standard library computes CRC-32C, and against torn writes both see the
same); the mac finds everything else. The chain is keyed, not a plain hash with a keyed head: whoever can write the folder
but lacks the key cannot make one record that verifies, the newest included, so there is no window between two keyed heads
in which events could be rewritten. Its price is that whoever verifies could also forge; signed checkpoints answer that.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

FRAME = struct.Struct(">II32s")
FIRST = bytes(32)  # what the first record of a writer continues
LONGEST = 96 << 10  # bytes of a payload; an event and its input stay well below
SMALLEST = 128 << 10  # bytes of a segment: it must hold a header and one longest record
_HEADER, _CLOSED = "segment", "closed"
_BUFFER = 1 << 20
_NAME = re.compile(r"\d{8}-\d{8}\.seg")
_BEGINS = b'{"at":'


def mac(key: bytes, before: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, before + payload, hashlib.sha256)


def frame(key: bytes, before: bytes, payload: bytes) -> tuple[bytes, bytes]:
    """The record's bytes and its mac."""
    own = mac(key, before, payload)
    return FRAME.pack(len(payload), zlib.crc32(payload), own) + payload, own


def canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def header(writer: str, epoch: int, index: int, sequence: int, before: bytes) -> bytes:
    fields = {"before": before.hex(), "epoch": epoch, "index": index, "next": sequence, "writer": writer}
    return canonical({_HEADER: fields})


def closing(sequence: int) -> bytes:
    """The payload that ends a segment in good order; `sequence` is the one that would have followed."""
    return canonical({_CLOSED: {"next": sequence}})


class Record(NamedTuple):
    """A whole record: where it began, its mac, its payload. A tuple, since verify makes millions."""

    offset: int
    mac: bytes
    payload: bytes

    @property
    def end(self) -> int:
        return self.offset + FRAME.size + len(self.payload)

    @property
    def closes(self) -> bool:
        return self.payload.startswith(b'{"%s":' % _CLOSED.encode())


@dataclass(frozen=True, slots=True)
class Torn:
    """Bytes that are no whole record, where they begin, and how many there are up to the last that is not zero."""

    offset: int
    length: int
    why: str


def read(path: Path, offset: int = 0, *, tears: bool = True) -> Iterator[Record | Torn]:
    """The records of a segment from `offset`; at most one Torn, last. Zeros up to the end are no tear.

    Without `tears` the reading just ends at the last whole record: for whoever reads beside the writer.
    """
    with path.open("rb", buffering=_BUFFER) as file:
        file.seek(offset)
        while head := file.read(FRAME.size):
            length, crc, own = FRAME.unpack(head) if len(head) == FRAME.size else (0, 0, b"")
            payload = file.read(length) if 0 < length <= LONGEST else b""
            if not payload or len(payload) < length or zlib.crc32(payload) != crc:
                if tears and (extent := _extent(path, offset)):
                    yield Torn(offset, extent, "a record that is cut or changed")
                return
            yield Record(offset, own, payload)
            offset += FRAME.size + length


def _extent(path: Path, offset: int) -> int:
    """How many bytes follow `offset`, the zeros at the end left out."""
    with path.open("rb") as file:
        file.seek(offset)
        return len(file.read().rstrip(b"\0"))


def later_group(path: Path, offset: int, sequence: int) -> bool:
    """Whether a whole event of a write that began after `sequence` stands anywhere behind `offset`.

    Each event says with which sequence its write began, and a write begins only after the sync of the one before: such an
    event proves that `sequence` was acknowledged.
    """
    with path.open("rb") as file:
        file.seek(offset)
        rest = file.read()
    at = rest.find(_BEGINS)
    while at >= 0:
        if _group(_framed(rest, at)) > sequence:
            return True
        at = rest.find(_BEGINS, at + 1)
    return False


def _framed(data: bytes, at: int) -> bytes:
    """The payload that begins at `at` with its frame before it, or nothing."""
    if at < FRAME.size:
        return b""
    length, crc, _ = FRAME.unpack_from(data, at - FRAME.size)
    payload = data[at : at + length] if length <= LONGEST else b""
    return payload if payload and zlib.crc32(payload) == crc else b""


def _group(payload: bytes) -> int:
    """With which sequence the event's write began; 0 where it is no event."""
    try:
        return int(orjson.loads(payload)["group"]) if payload else 0
    except (ValueError, KeyError, TypeError):
        return 0


@dataclass(frozen=True, slots=True, order=True)
class SegmentName:
    """`<epoch>-<index>.seg` in the writer's folder; sorted as written."""

    epoch: int
    index: int

    @classmethod
    def of(cls, path: Path) -> SegmentName:
        epoch, _, index = path.stem.partition("-")
        return cls(int(epoch), int(index))

    def path(self, folder: Path) -> Path:
        return folder / f"{self.epoch:08d}-{self.index:08d}.seg"


def segments(folder: Path) -> list[Path]:
    """A writer's segments in order."""
    return sorted(path for path in folder.glob("*.seg") if _NAME.fullmatch(path.name))


def strangers(folder: Path) -> list[str]:
    """Names of files that pass for segments and that no writer gave."""
    return sorted(path.name for path in folder.glob("*.seg") if not _NAME.fullmatch(path.name))


def writers(data_dir: Path) -> list[Path]:
    """The folders of all writers below `data_dir/journal`, by name."""
    root = data_dir / "journal"
    return sorted(folder for folder in root.iterdir() if folder.is_dir()) if root.is_dir() else []


def parse_header(payload: bytes) -> dict[str, Any]:
    """Raises ValueError when the record is no header."""
    fields = orjson.loads(payload).get(_HEADER)
    if not isinstance(fields, dict):
        raise ValueError("no segment header")
    return fields


def parse_closing(payload: bytes) -> int:
    """The sequence that a closing record names. Raises ValueError when it is none."""
    fields = orjson.loads(payload).get(_CLOSED)
    if not isinstance(fields, dict) or not isinstance(fields.get("next"), int):
        raise ValueError("no closing record")
    return int(fields["next"])
