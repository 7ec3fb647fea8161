"""A Cedar file's text into its statements, each with the line on which it begins.

Cedar's own errors name no file and no line; a statement that is read by itself can be found again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# What a statement is made of, as far as its end is concerned: a `;` in a string or a comment ends nothing.
_PIECE = re.compile(r'(?P<comment>//[^\n]*)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<end>;)|(?P<blank>\s+)|(?P<other>.)', re.S)


@dataclass(frozen=True, slots=True)
class Statement:
    """One policy as it stands in its file; `line` counts from 1."""

    file: str
    line: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


def split(file: str, text: str) -> Iterator[Statement]:
    """The statements of `text` in order. What follows the last `;` is given as one too, for the parser to refuse."""
    start: int | None = None
    for piece in _PIECE.finditer(text):
        if piece.lastgroup in ("comment", "blank"):
            continue
        if start is None:
            start = piece.start()
        if piece.lastgroup == "end":
            yield _statement(file, text, start, piece.end())
            start = None
    if start is not None:
        yield _statement(file, text, start, len(text))


def _statement(file: str, text: str, start: int, end: int) -> Statement:
    return Statement(file, text.count("\n", 0, start) + 1, text[start:end].strip())
