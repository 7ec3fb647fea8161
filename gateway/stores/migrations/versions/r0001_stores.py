"""The stores: shifts, sessions, devices, the vault, and what several gateways need of each other."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Float, Integer, String, Text

revision, down_revision = "0001", None
oldest = "0001"  # whose releases may go on with what this makes


def upgrade() -> None:
    op.create_table(
        "shift",
        Column("id", String(), primary_key=True),
        Column("person", String(), nullable=False),
        Column("seat", String(), nullable=False),
        Column("provider_session", String()),
        Column("ends", Float(), nullable=False),
        Column("ended", Float()),
        Column("value", Text(), nullable=False),
    )
    op.create_index("shift_person", "shift", ["person"])
    op.create_index("shift_provider_session", "shift", ["provider_session"])
    op.create_index("shift_seat", "shift", ["seat"])
    op.create_table(
        "session",
        Column("id", String(), primary_key=True),
        Column("shift", String(), nullable=False),
        Column("provider_session", String()),
        Column("forget", Float(), nullable=False),
        Column("ended", Float()),
        Column("value", Text(), nullable=False),
    )
    op.create_index("session_provider_session", "session", ["provider_session"])
    op.create_index("session_shift", "session", ["shift"])
    op.create_table(
        "token",
        Column("hash", String(), primary_key=True),
        Column("session", String(), nullable=False),
        Column("value", Text(), nullable=False),
    )
    op.create_index("token_session", "token", ["session"])
    op.create_table(
        "code",
        Column("hash", String(), primary_key=True),
        Column("expires", Float(), nullable=False),
        Column("value", Text(), nullable=False),
    )
    op.create_table(
        "upstream",
        Column("hash", String(), primary_key=True),
        Column("session", String(), nullable=False),
        Column("version", BigInteger(), nullable=False, server_default="1"),
        Column("value", Text(), nullable=False),
    )
    op.create_index("upstream_session", "upstream", ["session"])
    op.create_table(
        "change",
        Column("id", BigInteger(), primary_key=True, autoincrement=True),
        Column("key", String(), nullable=False),
        Column("origin", String(), nullable=False),
    )
    op.create_table(
        "lease",
        Column("name", String(), primary_key=True),
        Column("holder", String(), nullable=False),
        Column("fence", BigInteger(), nullable=False),
        Column("taken", Float(), nullable=False),
        Column("until", Float(), nullable=False),
    )
    op.create_table(
        "factor",
        Column("hash", String(), primary_key=True),
        Column("value", Text(), nullable=False),
    )
    op.create_table(
        "tally",
        Column("hash", String(), primary_key=True),
        Column("count", Integer(), nullable=False),
        Column("expires", Float(), nullable=False),
    )
    op.create_table(
        "badge",
        Column("hash", String(), primary_key=True),
        Column("id", String(), nullable=False),
        Column("person", String(), nullable=False),
        Column("value", Text(), nullable=False),
    )
    op.create_index("badge_person", "badge", ["person"])
    op.create_table(
        "last_sign_on",
        Column("person", String(), primary_key=True),
        Column("handle", String(), nullable=False),
        Column("forget", Float(), nullable=False),
        Column("value", Text(), nullable=False),
    )
    op.create_index("last_sign_on_handle", "last_sign_on", ["handle"])
    op.create_table(
        "login_name",
        Column("name", String(), primary_key=True),
        Column("person", String(), primary_key=True),
    )
    op.create_index("login_name_person", "login_name", ["person"])
    op.create_table(
        "vault_key",
        Column("person", String(), primary_key=True),
        Column("wrapped", Text(), nullable=False),
    )
    op.create_table(
        "credential",
        Column("hash", String(), primary_key=True),
        Column("person", String(), nullable=False),
        Column("about", Text(), nullable=False),
        Column("value", Text(), nullable=False),
    )
    op.create_index("credential_person", "credential", ["person"])
    op.create_table(
        "device",
        Column("id", String(), primary_key=True),
        Column("certificate", String()),
        Column("owner", String()),
        Column("created", Float(), nullable=False),
        Column("revoked", Float()),
        Column("value", Text(), nullable=False),
    )
    op.create_index("device_certificate", "device", ["certificate"])
    op.create_index("device_owner", "device", ["owner"])
    op.create_table(
        "seated_on",
        Column("session", String(), primary_key=True),
        Column("device", String(), nullable=False),
    )
    op.create_index("seated_on_device", "seated_on", ["device"])


def downgrade() -> None:
    op.drop_table("seated_on")
    op.drop_table("device")
    op.drop_table("credential")
    op.drop_table("vault_key")
    op.drop_table("login_name")
    op.drop_table("last_sign_on")
    op.drop_table("badge")
    op.drop_table("tally")
    op.drop_table("factor")
    op.drop_table("lease")
    op.drop_table("change")
    op.drop_table("upstream")
    op.drop_table("code")
    op.drop_table("token")
    op.drop_table("session")
    op.drop_table("shift")
