"""The central journal: events, what stands between them in the segments, what they are found by, and how far each writer is."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, DateTime, Double, Integer, LargeBinary, Text, inspect, text

revision, down_revision = "0002", "0001"
oldest = "0001"  # whose releases may go on with what this makes

_SCHEMA = "journal"


def _bytewise(name: str, *, key: bool = False) -> Column[str]:
    return Column(name, Text(collation="C"), primary_key=key, nullable=not key)


def _place() -> tuple[Column[str], Column[int], Column[int]]:
    return (
        _bytewise("writer", key=True),
        Column("epoch", Integer(), primary_key=True),
        Column("seq", BigInteger(), primary_key=True, autoincrement=False),
    )


def upgrade() -> None:
    if inspect(op.get_bind()).has_schema(_SCHEMA):
        return  # this revision was here before, and one back left it
    op.execute(f"CREATE SCHEMA {_SCHEMA}")
    _what_is_only_added_to()
    op.create_table(
        "writer",
        _bytewise("writer", key=True),
        Column("installation", Text(), nullable=False),
        Column("folder", Text(), nullable=False),
        Column("epoch", Integer(), nullable=False, server_default="0"),
        Column("seq", BigInteger(), nullable=False, server_default="0"),
        Column("at", Double(), nullable=False, server_default="0"),
        Column("told", DateTime(timezone=True), nullable=False, server_default=text("now()")),
        schema=_SCHEMA,
    )
    op.create_index("writer_installation", "writer", ["installation", "folder"], unique=True, schema=_SCHEMA)
    op.create_table(
        "reached",
        _bytewise("writer", key=True),
        Column("epoch", Integer(), primary_key=True),
        Column("segment", Integer(), primary_key=True, autoincrement=False),
        Column("place", BigInteger(), nullable=False),
        Column("seq", BigInteger(), nullable=False),
        schema=_SCHEMA,
    )


def _what_is_only_added_to() -> None:
    op.create_table(
        "event",
        *_place(),
        Column("at", Double(), nullable=False),
        Column("type", Text(), nullable=False),
        _bytewise("request"),
        Column("subject", Text()),
        Column("name", Text()),
        Column("system", Text()),
        Column("mac", LargeBinary(), nullable=False),
        Column("payload", LargeBinary(), nullable=False),
        schema=_SCHEMA,
    )
    op.create_index("event_at", "event", ["at", "writer", "epoch", "seq"], schema=_SCHEMA)
    known = {name: text(f"{name} IS NOT NULL") for name in ("request", "subject")}
    op.create_index("event_request", "event", ["request"], schema=_SCHEMA, postgresql_where=known["request"])
    op.create_index("event_subject", "event", ["subject", "at"], schema=_SCHEMA, postgresql_where=known["subject"])
    nameless = text("subject IS NULL AND name IS NOT NULL")
    op.create_index("event_name", "event", ["at"], schema=_SCHEMA, postgresql_where=nameless)
    person = (Column("subject", Text(), primary_key=True), Column("name", Text(), primary_key=True))
    op.create_table("person", *person, schema=_SCHEMA)
    op.create_table(
        "frame",
        _bytewise("writer", key=True),
        Column("epoch", Integer(), primary_key=True),
        Column("segment", Integer(), primary_key=True, autoincrement=False),
        Column("place", BigInteger(), primary_key=True, autoincrement=False),
        Column("mac", LargeBinary(), nullable=False),
        Column("payload", LargeBinary(), nullable=False),
        schema=_SCHEMA,
    )
    found_by = (Column("value", Text(), primary_key=True), Column("namespace", Text(), primary_key=True))
    op.create_table("patient", *found_by, *_place(), schema=_SCHEMA)
    about = (Column("kind", Text(), primary_key=True), Column("value", Text(), primary_key=True))
    op.create_table("about", *about, Column("at", Double(), primary_key=True), *_place(), schema=_SCHEMA)


def downgrade() -> None:
    """Nothing is taken away: it may be all that is left of a lost machine's journal, and the release before does not look at it."""
