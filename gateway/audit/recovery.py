"""Where a writer goes on after whatever happened: the last whole record, a torn tail cut and said.

A record that fails its checksum is a torn write only if nothing acknowledged follows it; the sync that covered a later group
covered it too. Anything else was changed by somebody, and is left as it is for them to be found: the start is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import orjson

from .disk import Disk
from .segment import FIRST, Record, SegmentName, Torn, mac, parse_header, read, segments
from .writer import Place

_GROUP = re.compile(rb'"group":(\d+),')


class JournalDamaged(Exception):
    """A segment was changed, or its key is another. The message names segment, offset and remedy."""


@dataclass(frozen=True, slots=True)
class Recovered:
    place: Place
    cut: int  # bytes of a torn tail; 0 after an orderly end
    last: int  # the last whole sequence


def recover(folder: Path, key: bytes, disk: Disk) -> Recovered:
    """Read the newest segment, cut what is torn, and say where to go on. Raises JournalDamaged, OSError."""
    found = segments(folder)
    for path in reversed(found):
        outcome = _end_of(path, key, newest=path is found[-1])
        if outcome is None:
            continue  # an empty segment: its first write never came
        place, whole, torn = outcome
        if path.stat().st_size > whole:
            disk.cut(path, whole)
        newest = SegmentName.of(found[-1])
        return Recovered(Place(newest.epoch + 1, 1, place.sequence, place.mac), torn, place.sequence - 1)
    epoch = SegmentName.of(found[-1]).epoch + 1 if found else 1
    return Recovered(Place(epoch, 1, 1, FIRST), 0, 0)


def _end_of(path: Path, key: bytes, *, newest: bool) -> tuple[Place, int, int] | None:
    """(place, length of the whole part, torn bytes), or None where not even the header is whole."""
    own, sequence, whole, torn = FIRST, 0, 0, 0
    for item in read(path):
        if isinstance(item, Torn):
            if sequence:
                _only_torn(path, item, sequence)
            torn = item.length
            break
        if whole == 0:
            own, sequence = _begin(path, item, key)
        else:
            _chained(path, item, own, key)
            own, sequence = item.mac, sequence + 1
        whole = item.end
    if whole == 0:
        if not newest:
            return None
        return None
    return Place(0, 0, sequence, own), whole, torn


def _begin(path: Path, record: Record, key: bytes) -> tuple[bytes, int]:
    try:
        fields = parse_header(record.payload)
        before, following = bytes.fromhex(fields["before"]), int(fields["next"])
    except (ValueError, KeyError, TypeError):
        raise JournalDamaged(f"{path.name}: begins with no header: restore it from a backup") from None
    if mac(key, before, record.payload) != record.mac:
        raise JournalDamaged(
            f"{path.name}: its header does not verify: `keys.journal` is another key, or the segment was changed"
        )
    return record.mac, following


def _chained(path: Path, record: Record, before: bytes, key: bytes) -> None:
    if mac(key, before, record.payload) != record.mac:
        raise JournalDamaged(
            f"{path.name}: the record at byte {record.offset} does not verify: it was changed. "
            "Keep the file as evidence, run `lanyard audit verify`, and restore the segment from a backup"
        )


def _only_torn(path: Path, torn: Torn, sequence: int) -> None:
    """Raises JournalDamaged when a later group stands whole after the tear: then the tear was acknowledged."""
    with path.open("rb") as file:
        file.seek(torn.offset)
        rest = file.read()
    for found in _GROUP.finditer(rest):
        begin = rest.rfind(b'{"at":', 0, found.start())
        end = rest.find(b"}", found.end())
        if int(found[1]) > sequence and begin >= 0 and end >= 0 and _is_whole(rest, begin):
            raise JournalDamaged(
                f"{path.name}: the record at byte {torn.offset} was changed: acknowledged events follow it. "
                "Keep the file as evidence, run `lanyard audit verify`, and restore the segment from a backup"
            )


def _is_whole(data: bytes, begin: int) -> bool:
    head = begin - 40
    if head < 0:
        return False
    length = int.from_bytes(data[head : head + 4], "big")
    try:
        orjson.loads(data[begin : begin + length])
    except orjson.JSONDecodeError:
        return False
    return True
