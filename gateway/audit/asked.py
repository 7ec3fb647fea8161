"""What a question can be put to: a copy of the journal with the same tables, in SQLite here or in PostgreSQL for all.

Questions are written once, with `?` for values; where the two databases want other words, a copy says which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol


class Copy(Protocol):
    """A connection to one; it may have `words`, and SQLite's are meant where it has none."""

    def execute(self, asked: str, values: Any = ..., /) -> Any:
        """A cursor: rows to be fetched or walked through."""


@dataclass(frozen=True, slots=True)
class Words:
    like: str  # compares without regard to capitals
    among: str  # a column is one of a JSON list of texts
    holds: str  # the payload has these bytes in it
    of_field: Callable[[str], str]  # the text of a field of the event, by names with dots between them


SQLITE = Words(
    like="LIKE",
    among="IN (SELECT value FROM json_each(?))",
    holds="instr(payload, ?) > 0",
    of_field=lambda names: f"json_extract(CAST(payload AS TEXT), '$.fields.{names}')",
)
# PostgreSQL refuses a zero character in any text of the JSON that it reads: another stands for it.
POSTGRES = Words(
    like="ILIKE",
    among="IN (SELECT json_array_elements_text(?::json))",
    holds="position(?::bytea in payload) > 0",
    of_field=lambda names: (
        r"(replace(convert_from(payload, 'UTF8'), '\u0000', '\ufffd')::json"
        f" #>> '{{fields,{names.replace('.', ',')}}}')"
    ),
)


def words_of(copy: Copy) -> Words:
    words = getattr(copy, "words", SQLITE)
    assert isinstance(words, Words)
    return words
