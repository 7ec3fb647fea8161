"""The embedded store's tables, and a file of an earlier release brought up to them.

The file says its version (`PRAGMA user_version`); what has changed since is done once, in one transaction. A file without one is of
the first release, or new.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, Float, Index, Integer, MetaData, String, Table, Text, inspect

from sso.errors import StoreUnavailable

VERSION = 4

metadata = MetaData()
shifts = Table(
    "shift",
    metadata,
    Column("id", String, primary_key=True),  # hash
    Column("person", String, nullable=False),  # hash of (issuer, subject)
    Column("seat", String, nullable=False),  # hash of (issuer, subject, role)
    Column("provider_session", String),  # hash of (issuer, sid)
    Column("ends", Float, nullable=False),
    Column("ended", Float),
    Column("value", Text, nullable=False),
    Index("shift_person", "person"),
    Index("shift_seat", "seat"),
    Index("shift_provider_session", "provider_session"),
)
sessions = Table(
    "session",
    metadata,
    Column("id", String, primary_key=True),
    Column("shift", String, nullable=False),
    Column("provider_session", String),  # hash of sid: whose it is, the shift knows
    Column("forget", Float, nullable=False),
    Column("ended", Float),
    Column("value", Text, nullable=False),
    Index("session_shift", "shift"),
    Index("session_provider_session", "provider_session"),
)
tokens = Table(
    "token",
    metadata,
    Column("hash", String, primary_key=True),
    Column("session", String, nullable=False),
    Column("value", Text, nullable=False),
    Index("token_session", "session"),
)
codes = Table(
    "code",
    metadata,
    Column("hash", String, primary_key=True),
    Column("expires", Float, nullable=False),
    Column("value", Text, nullable=False),
)
upstreams = Table(
    "upstream",
    metadata,
    Column("hash", String, primary_key=True),
    Column("session", String, nullable=False),
    Column("version", BigInteger, nullable=False, server_default="1"),
    Column("value", Text, nullable=False),  # "": it was deleted
    Index("upstream_session", "session"),
)

# Several gateways on one store: which shifts and sessions somebody has written, and who alone may do something.
changes = Table(
    "change",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("key", String, nullable=False),  # hash of the id of a shift or session
    Column("origin", String, nullable=False),  # whose own caches know it already
    sqlite_autoincrement=True,  # a place is never given twice
)
leases = Table(
    "lease",
    metadata,
    Column("name", String, primary_key=True),  # hash
    Column("holder", String, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("taken", Float, nullable=False),
    Column("until", Float, nullable=False),
)

# Locks: what a clinician unlocks with, and how often somebody has tried.
factors = Table(
    "factor",
    metadata,
    Column("hash", String, primary_key=True),  # of (issuer, subject, kind)
    Column("value", Text, nullable=False),
)
tallies = Table(
    "tally",
    metadata,
    Column("hash", String, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("expires", Float, nullable=False),
)

# Badges: a keyed hash of the number, and whose it is.
badges = Table(
    "badge",
    metadata,
    Column("hash", String, primary_key=True),
    Column("id", String, nullable=False),
    Column("person", String, nullable=False),  # hash of (issuer, subject)
    Column("value", Text, nullable=False),
    Index("badge_person", "person"),
)

# Emergency sign-on: who has signed on here, by which names and passkeys they are selected.
last_sign_ons = Table(
    "last_sign_on",
    metadata,
    Column("person", String, primary_key=True),  # hash of (issuer, subject)
    Column("handle", String, nullable=False),  # hash of what their passkeys call them
    Column("forget", Float, nullable=False),
    Column("value", Text, nullable=False),
    Index("last_sign_on_handle", "handle"),
)
login_names = Table(
    "login_name",
    metadata,
    Column("name", String, primary_key=True),  # hash
    Column("person", String, primary_key=True),
    Index("login_name_person", "person"),
)

# The vault: hashes of (issuer, subject) and (issuer, subject, system), and what only the vault's own keys open.
vault_keys = Table(
    "vault_key",
    metadata,
    Column("person", String, primary_key=True),
    Column("wrapped", Text, nullable=False),
)
credentials = Table(
    "credential",
    metadata,
    Column("hash", String, primary_key=True),
    Column("person", String, nullable=False),
    Column("about", Text, nullable=False),
    Column("value", Text, nullable=False),
    Index("credential_person", "person"),
)

# Devices

devices = Table(
    "device",
    metadata,
    Column("id", String, primary_key=True),  # hash
    Column("certificate", String),  # hash of (issuer, subject)
    Column("owner", String),  # hash of (issuer, subject)
    Column("created", Float, nullable=False),
    Column("revoked", Float),
    Column("value", Text, nullable=False),
    Index("device_certificate", "certificate"),
    Index("device_owner", "owner"),
)
seated_on = Table(
    "seated_on",
    metadata,
    Column("session", String, primary_key=True),  # hash
    Column("device", String, nullable=False),  # hash
    Index("seated_on_device", "device"),
)


def bring_up_to_date(c: Connection) -> None:
    """Raises StoreUnavailable for a file that a later release has written: it may hold what this one would lose."""
    if _version(c) == VERSION:
        return
    c.exec_driver_sql("BEGIN IMMEDIATE")  # another gateway that starts now waits, and finds it done
    found = _version(c)
    if found > VERSION:
        raise StoreUnavailable(f"the store is of a later release (version {found}, known here: {VERSION})")
    if found < 1 and inspect(c).has_table("session"):
        _sessions_know_the_provider_s(c)
    if found < 4 and inspect(c).has_table("upstream"):
        _upstreams_have_versions(c)
    metadata.create_all(c)
    c.exec_driver_sql(f"PRAGMA user_version = {VERSION}")


def _sessions_know_the_provider_s(c: Connection) -> None:
    """Those of before say none; `Sessions.meant` says what becomes of them."""
    c.exec_driver_sql("ALTER TABLE session ADD COLUMN provider_session VARCHAR")
    c.exec_driver_sql("CREATE INDEX session_provider_session ON session (provider_session)")


def _upstreams_have_versions(c: Connection) -> None:
    c.exec_driver_sql("ALTER TABLE upstream ADD COLUMN version BIGINT DEFAULT '1' NOT NULL")
    c.exec_driver_sql("CREATE INDEX upstream_session ON upstream (session)")


def _version(c: Connection) -> int:
    return int(c.exec_driver_sql("PRAGMA user_version").scalar_one())
