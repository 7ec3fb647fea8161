"""A worker's post: which of how many it is, and so under which name it writes, what it takes a share of, and what it does for all."""

from __future__ import annotations

from dataclasses import dataclass

from policies.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Post:
    """`second`: of the crew that takes over from one which may still be writing; names alternate, so that chains stay few. `joins`:
    that crew is still at work."""

    number: int = 1
    of: int = 1
    second: bool = False
    joins: bool = False
    bundle: Bundle | None = None  # None: read the configured one

    @property
    def first(self) -> bool:
        """Whether it does what is to be done once for all of them."""
        return self.number == 1

    def writer(self, name: str) -> str:
        """The name of its journal's writer, by the gateway's."""
        return writer_name(name, self.number, self.of, second=self.second)

    def beside(self, name: str) -> frozenset[str]:
        """The writers of the other workers of its crew."""
        all_of_them = (writer_name(name, n, self.of, second=self.second) for n in range(1, self.of + 1))
        return frozenset(all_of_them) - {self.writer(name)}

    def share(self, whole: int, *, least: int = 1) -> int:
        """Of something that all of them have together."""
        return max(least, whole // self.of)


def writer_name(name: str, number: int, of: int, *, second: bool) -> str:
    """`NAME`, or `NAME-1` to `NAME-N`; with `-b` in every second crew."""
    numbered = f"{name}-{number}" if of > 1 else name
    return f"{numbered}-b" if second else numbered
