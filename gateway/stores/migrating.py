"""A PostgreSQL database brought up to this release's tables, and one revision back, by Alembic.

Whoever moves it writes into it, in the same transaction, the oldest revision whose releases may go on with it: so a gateway of the release
before may be started again in the middle of an upgrade, on tables that it has never heard of. Each revision says it of itself (`oldest`).
SQLite's file is brought up by `schema.bring_up_to_date`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, MetaData, String, Table, delete, func, insert, inspect, select

from sso.errors import StoreUnavailable

_MIGRATING = (0x6C616E79, 2)  # the lock under which one gateway migrates, and others wait
# One row; beside Alembic's own table.
_USABLE = Table("usable_by", MetaData(), Column("oldest", String(), nullable=False))


class Standing(NamedTuple):
    """Where a database stands: its revision ("" for an empty one), this release's, all that this release knows, oldest first, and the
    oldest revision whose releases may use it as it stands ("" where it does not say)."""

    revision: str
    latest: str
    known: tuple[str, ...]
    oldest: str = ""

    @property
    def later(self) -> bool:
        """Of a release that is not known here."""
        return bool(self.revision) and self.revision not in self.known

    @property
    def lends_itself(self) -> bool:
        """Of a later release, and says of itself that this one may go on with it."""
        return self.later and self.oldest in self.known


def standing(c: Connection) -> Standing:
    scripts = ScriptDirectory.from_config(_config(c))
    known = tuple(script.revision for script in reversed(list(scripts.walk_revisions())))
    revision = MigrationContext.configure(c).get_current_revision() or ""
    oldest = c.execute(select(_USABLE.c.oldest)).scalar() if inspect(c).has_table(_USABLE.name) else None
    return Standing(revision, known[-1], known, oldest or "")


def migrate(c: Connection, to: str) -> tuple[str, str]:
    """Forwards or back, one at a time of those who want it; the revision before, and the one now.

    Raises StoreUnavailable where either is not known here."""
    c.rollback()
    c.exec_driver_sql("SET LOCAL statement_timeout = 0")
    c.execute(func.pg_advisory_xact_lock(*_MIGRATING).select())
    found = known(c)
    if to not in found.known:
        raise StoreUnavailable(f"`{to}` is no revision: this release knows {', '.join(found.known)}")
    if found.revision != to:
        back = found.revision and found.known.index(found.revision) > found.known.index(to)
        (command.downgrade if back else command.upgrade)(_config(c), to)
    _say_who_may_use_it(c, found.known[: found.known.index(to) + 1])
    c.commit()
    return found.revision, to


def _say_who_may_use_it(c: Connection, applied: tuple[str, ...]) -> None:
    """The latest of what the revisions that are applied say of themselves."""
    scripts = ScriptDirectory.from_config(_config(c))
    oldest = max((oldest_of(scripts, revision) for revision in applied), key=applied.index)
    _USABLE.create(c, checkfirst=True)
    c.execute(delete(_USABLE))
    c.execute(insert(_USABLE).values(oldest=oldest))


def oldest_of(scripts: ScriptDirectory, revision: str) -> str:
    """What a revision says of itself: whose tables a gateway may know at the least, to go on with these."""
    said: str = scripts.get_revision(revision).module.oldest
    return said


def usable(c: Connection) -> Standing:
    """Raises StoreUnavailable for a later release's that does not say that this one may use it."""
    found = standing(c)
    return found if found.lends_itself else known(c)


def known(c: Connection) -> Standing:
    """Raises StoreUnavailable for a later release's."""
    found = standing(c)
    if found.later:
        raise StoreUnavailable(
            f"the database is of a later release (revision {found.revision}, known here: up to {found.latest}): "
            f"start that release, or go back by its `lanyard database migrate --to {found.latest}`"
        )
    return found


def _config(c: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = c
    return config
