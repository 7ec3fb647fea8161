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
    who: str  # a subject, or a part of a name, without regard to capitals
    among: str  # a column is one of a JSON list of texts
    holds: str  # the payload has these bytes in it
    of_field: Callable[[str], str]  # the text of a field of the event, by names with dots between them


SQLITE = Words(
    who=r"(subject = ? OR name LIKE ? ESCAPE '\')",
    among="IN (SELECT value FROM json_each(?))",
    holds="instr(payload, ?) > 0",
    of_field=lambda names: f"json_extract(CAST(payload AS TEXT), '$.fields.{names}')",
)
# PostgreSQL refuses a zero character in any text of the JSON that it reads: another stands for it.
POSTGRES = Words(
    # By the few persons there are, and so by the index of subjects; hardly an event has a name and no subject.
    who=r"(writer, epoch, seq) IN (SELECT e.writer, e.epoch, e.seq FROM person p"
    r" JOIN event e ON e.subject = p.subject AND coalesce(e.name, '') = p.name WHERE p.subject = ? OR p.name ILIKE ? ESCAPE '\'"
    r" UNION SELECT writer, epoch, seq FROM event WHERE subject IS NULL AND name ILIKE ? ESCAPE '\')",
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
