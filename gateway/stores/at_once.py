"""What every sign-on writes, in one statement of PostgreSQL's each: ten there and back cost a worker more than what is in them.

The statements of `SqlStore` say the same one by one, and do whatever these leave: a shift that is known already, a device that is
revoked, or is not known at all.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table

from .schema import seated_on, sessions, shifts, tokens


def _new(table: Table, row: str, source: str, otherwise: str = " ON CONFLICT DO NOTHING") -> str:
    """Insert what `row_column` of each column says, as often as there are rows in `source`; nothing where there is such a row, or what
    `otherwise` says."""
    names = ", ".join(column.name for column in table.columns)
    types = (str(column.type).lower().replace("float", "float8") for column in table.columns)
    values = ", ".join(f"%({row}_{column.name})s::{kind}" for column, kind in zip(table.columns, types, strict=True))
    return f"INSERT INTO {table.name} ({names}) SELECT {values} FROM {source}{otherwise}"  # noqa: S608 - fixed words only


def _named(row: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f"{row}_{name}": value for name, value in values.items()}


# Until it commits, whoever revokes the device waits; whoever is doing so is waited for.
_DEVICE = "SELECT 1 FROM device WHERE id = %(device)s AND revoked IS NULL FOR SHARE"
# A lock under which changes are told, so that the order of their numbers is that of the commits. It is taken before the numbers are, in
# the same statement: it is held for the commit, and for no word there and back but that.
_LOCK = f"SELECT pg_advisory_xact_lock({0x6C616E79}, 1)"
_KEYS = (
    "INSERT INTO change (key, origin) SELECT key, %(origin)s FROM told, unnest(%(keys)s::varchar[]) AS key RETURNING id"
)
_TELL = f"WITH told AS MATERIALIZED ({_LOCK}) {_KEYS}"
_SEATED = f"""
, new AS ({_new(shifts, "shift", "usable")} RETURNING 1)
, sitting AS ({_new(sessions, "session", "new")})
, cookie AS ({_new(tokens, "token", "new", otherwise="")})
"""
_SEATED_TOLD = f", told AS MATERIALIZED ({_LOCK} FROM new) {_KEYS}"
_ANYWHERE = f"WITH usable AS (SELECT 1){_SEATED}{_SEATED_TOLD}"
_ON_DEVICE = (
    f"WITH usable AS MATERIALIZED ({_DEVICE}){_SEATED}, place AS ({_new(seated_on, 'place', 'new')}){_SEATED_TOLD}"
)


def seat(c: Connection, rows: dict[str, dict[str, Any]], device: str, origin: str) -> int:
    """A new shift with its session and cookie, and what others are to hear of it: the last change's number. 0, and nothing is written,
    where it is no new one, or its device is not surely in use.

    `rows`: `shift`, `session` and `token`. `device`: the hash of its id, "" for none.
    """
    said = {name: value for row, values in rows.items() for name, value in _named(row, values).items()}
    said |= {"origin": origin, "keys": [rows["shift"]["id"], rows["session"]["id"]]}
    if device:
        said |= {"device": device, **_named("place", {"session": rows["session"]["id"], "device": device})}
    return max(c.exec_driver_sql(_ON_DEVICE if device else _ANYWHERE, said).scalars(), default=0)


def tell(c: Connection, origin: str, keys: tuple[str, ...]) -> int:
    """As `changes.tell`: the last change's number."""
    return max(c.exec_driver_sql(_TELL, {"origin": origin, "keys": list(keys)}).scalars(), default=0)


_REMEMBER = """
WITH known AS (
  INSERT INTO last_sign_on (person, handle, forget, value) VALUES (%(person)s, %(handle)s, %(forget)s, %(value)s)
  ON CONFLICT (person) DO UPDATE SET handle = EXCLUDED.handle, forget = EXCLUDED.forget, value = EXCLUDED.value
), gone AS (DELETE FROM login_name WHERE person = %(person)s AND name <> ALL (%(names)s::varchar[]))
INSERT INTO login_name (name, person) SELECT name, %(person)s FROM unnest(%(names)s::varchar[]) AS name
ON CONFLICT DO NOTHING
"""


def remember(c: Connection, row: dict[str, Any], names: list[str]) -> None:
    """A clinician's latest sign-on, and the names that select it, in place of those before."""
    c.exec_driver_sql(_REMEMBER, {**row, "names": names})
