"""The tables of the central journal, in a schema `journal` of their own beside the stores'.

`event`, `frame`, `person`, `patient` and `about` are only ever added to: a role that may neither change nor delete there is enough. `frame`
holds
what stands between events in the segments, their headers and closing records, without which the chain cannot be followed. `writer` says
who writes under which name and how far, `reached` how far each segment has come; both are written again and again.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Double, Index, Integer, LargeBinary, MetaData, Table, Text, text

SCHEMA = "journal"
metadata = MetaData(schema=SCHEMA)


def _bytewise(name: str, *, key: bool = False) -> Column[str]:
    """Text that is compared byte by byte, whatever the database's language: in the order of its index, and found by its beginning."""
    return Column(name, Text(collation="C"), primary_key=key, nullable=not key)


def _place() -> tuple[Column[str], Column[int], Column[int]]:
    return (
        _bytewise("writer", key=True),
        Column("epoch", Integer, primary_key=True),
        Column("seq", BigInteger, primary_key=True, autoincrement=False),
    )


events = Table(
    "event",
    metadata,
    *_place(),
    Column("at", Double, nullable=False),
    Column("type", Text, nullable=False),
    _bytewise("request"),
    Column("subject", Text),
    Column("name", Text),
    Column("system", Text),
    Column("mac", LargeBinary, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Index("event_at", "at", "writer", "epoch", "seq"),
    Index("event_request", "request", postgresql_where=text("request IS NOT NULL")),
    Index("event_subject", "subject", "at", postgresql_where=text("subject IS NOT NULL")),
    Index("event_name", "at", postgresql_where=text("subject IS NULL AND name IS NOT NULL")),
)

# Whose events there are: a part of a name is looked for here.
persons = Table(
    "person",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("name", Text, primary_key=True),
)

frames = Table(
    "frame",
    metadata,
    _bytewise("writer", key=True),
    Column("epoch", Integer, primary_key=True),
    Column("segment", Integer, primary_key=True, autoincrement=False),
    Column("place", BigInteger, primary_key=True, autoincrement=False),  # byte in the segment: 0 is its header
    Column("mac", LargeBinary, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)

patients = Table(
    "patient",
    metadata,
    Column("value", Text, primary_key=True),
    Column("namespace", Text, primary_key=True),
    *_place(),
)

about = Table(
    "about",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("at", Double, primary_key=True),
    *_place(),
)

writers = Table(
    "writer",
    metadata,
    _bytewise("writer", key=True),
    Column("installation", Text, nullable=False),  # the data directory that it writes in
    Column("folder", Text, nullable=False),  # what it is called there, and in its records
    Column("epoch", Integer, nullable=False, server_default="0"),
    Column("seq", BigInteger, nullable=False, server_default="0"),  # the last durable one on its own disk
    Column("at", Double, nullable=False, server_default="0"),  # by the writer's clock
    Column("told", DateTime(timezone=True), nullable=False, server_default=text("now()")),  # by the database's
    Index("writer_installation", "installation", "folder", unique=True),
)

reached = Table(
    "reached",
    metadata,
    _bytewise("writer", key=True),
    Column("epoch", Integer, primary_key=True),
    Column("segment", Integer, primary_key=True, autoincrement=False),
    Column("place", BigInteger, nullable=False),  # bytes of the segment that are here
    Column("seq", BigInteger, nullable=False),  # the last event among them, or before them
)
