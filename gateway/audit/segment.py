"""Records in a file: framed, checksummed, chained.

    record  = length (4, big-endian) · CRC-32 of the payload (4) · mac (32) · payload
    mac(n)  = HMAC-SHA-256(journal key, mac(n-1) · payload(n))
    payload = canonical JSON: keys sorted, no blanks, UTF-8

The first record of a segment is its header: writer, epoch, index, the first sequence that follows and the hash that it continues. Length
zero ends a segment that was pre-allocated and not closed. The CRC finds a torn write, the mac everything else: without the
key nobody can write a record that verifies.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

FRAME = struct.Struct(">II32s")
FIRST = bytes(32)  # what the first record of a writer continues
LONGEST = 1 << 20
_HEADER = "segment"


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


@dataclass(frozen=True, slots=True)
class Record:
    """A whole record: where it began, its mac, its payload."""

    offset: int
    mac: bytes
    payload: bytes

    @property
    def end(self) -> int:
        return self.offset + FRAME.size + len(self.payload)


@dataclass(frozen=True, slots=True)
class Torn:
    """Bytes that are no whole record, and where they begin."""

    offset: int
    length: int
    why: str


def read(path: Path, offset: int = 0) -> Iterator[Record | Torn]:
    """The records of a segment from `offset`; at most one Torn, last. Zeros up to the end are no tear."""
    with path.open("rb") as file:
        file.seek(offset)
        while True:
            head = file.read(FRAME.size)
            if not head or not any(head):
                if head and any(file.read()):
                    yield Torn(offset, path.stat().st_size - offset, "bytes after the end")
                return
            torn = path.stat().st_size - offset
            if len(head) < FRAME.size:
                yield Torn(offset, torn, "a cut frame")
                return
            length, crc, own = FRAME.unpack(head)
            payload = file.read(length) if length <= LONGEST else b""
            if len(payload) < length or length > LONGEST or zlib.crc32(payload) != crc:
                yield Torn(offset, torn, "a record that is cut or changed")
                return
            yield Record(offset, own, payload)
            offset += FRAME.size + length


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
    return sorted(folder.glob("*-*.seg"), key=SegmentName.of)


def parse_header(payload: bytes) -> dict[str, Any]:
    """Raises ValueError when the record is no header."""
    fields = orjson.loads(payload).get(_HEADER)
    if not isinstance(fields, dict):
        raise ValueError("no segment header")
    return fields
