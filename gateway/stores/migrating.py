"""A PostgreSQL database brought up to this release's tables, and one revision back, by Alembic.

SQLite's file is brought up by `schema.bring_up_to_date`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func

from sso.errors import StoreUnavailable

_MIGRATING = (0x6C616E79, 2)  # the lock under which one gateway migrates, and others wait


class Standing(NamedTuple):
    """Where a database stands: its revision ("" for an empty one), this release's, and all that this release knows, oldest first."""

    revision: str
    latest: str
    known: tuple[str, ...]


def standing(c: Connection) -> Standing:
    scripts = ScriptDirectory.from_config(_config(c))
    known = tuple(script.revision for script in reversed(list(scripts.walk_revisions())))
    return Standing(MigrationContext.configure(c).get_current_revision() or "", known[-1], known)


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
    c.commit()
    return found.revision, to


def known(c: Connection) -> Standing:
    """Raises StoreUnavailable for a later release's."""
    found = standing(c)
    if found.revision and found.revision not in found.known:
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
