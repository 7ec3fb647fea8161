"""Revisions of the PostgreSQL database, and where Alembic enters. Nothing here imports what it describes: a revision never changes.

A revision says by `oldest` whose releases may go on with the tables as it leaves them. One that only adds names the revision of the
release before; one that takes something away names itself, or the first that does without it.
"""
