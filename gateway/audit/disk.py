"""The journal's few calls to the disk, as a protocol, so that tests can make the disk fail."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Protocol

_SPARE = 4  # descriptors: a segment, the ballast, their folder, and one over
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # there is no room, by whichever limit


class Disk(Protocol):
    """Every method raises OSError as the system call does."""

    def create(self, path: Path, size: int) -> int:
        """A new file of `size` zero bytes with its space allocated, its name durable; its descriptor."""
        ...

    def write(self, fd: int, data: bytes, offset: int) -> None: ...

    def sync(self, fd: int) -> None: ...

    def close(self, fd: int) -> None: ...

    def cut(self, path: Path, size: int) -> None:
        """Cut a file to `size` bytes, durably."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file, durably."""
        ...

    def hold(self, path: Path, size: int) -> None:
        """Make a file hold `size` bytes of disk, neither more nor less."""
        ...

    def free(self, folder: Path) -> int:
        """Bytes that we could still allocate."""
        ...


class RealDisk:
    """Holds a few descriptors that nobody else can have, so that a segment can be begun while connections take all others."""

    _spare: ClassVar[list[int]] = []

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        while self._spare:
            os.close(self._spare.pop())
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # the next time may give more
                while len(self._spare) < _SPARE:
                    self._spare.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    def create(self, path: Path, size: int) -> int:
        with self._room():
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, size)
                os.fsync(fd)
                _sync_folder(path.parent)
            except OSError:
                os.close(fd)
                path.unlink(missing_ok=True)
                raise
            return fd

    def write(self, fd: int, data: bytes, offset: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(fd, view, offset)
            if written == 0:
                raise OSError(errno.ENOSPC, "nothing was written")
            view, offset = view[written:], offset + written

    def sync(self, fd: int) -> None:
        os.fdatasync(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def cut(self, path: Path, size: int) -> None:
        with self._room():
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                os.ftruncate(fd, size)
                os.fsync(fd)
            finally:
                os.close(fd)

    def remove(self, path: Path) -> None:
        with self._room():
            path.unlink(missing_ok=True)
            _sync_folder(path.parent)

    def hold(self, path: Path, size: int) -> None:
        with self._room():
            self._hold(path, size)

    def _hold(self, path: Path, size: int) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            now = os.fstat(fd).st_size
            if size < now:
                os.ftruncate(fd, size)
                os.fsync(fd)  # some file systems give the blocks to others only after this
            elif size > now:
                try:
                    os.posix_fallocate(fd, now, size - now)
                except OSError:
                    with contextlib.suppress(OSError):
                        os.ftruncate(fd, now)
                    raise
        finally:
            os.close(fd)

    def free(self, folder: Path) -> int:
        said = os.statvfs(folder)
        return said.f_bavail * said.f_frsize


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
