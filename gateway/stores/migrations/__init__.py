"""Revisions of the PostgreSQL database, and where Alembic enters. Nothing here imports what it describes: a revision never changes."""
