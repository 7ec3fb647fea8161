"""Operational logs: one JSON line an event on standard error, with nothing in it that belongs in the journal.

No patient identifier, name, token, cookie or form value is ever logged: callers log codes, counts, ids of ours. As a second
line, values of keys that could carry one are dropped here, loudly.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import traceback
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO, cast

import structlog

# Keys under which a caller could leak by carelessness. Their values are replaced.
FORBIDDEN = frozenset(
    "authorization cookie set_cookie token id_token access_token refresh_token code code_verifier secret password"
    " patient patients nhs_number name target url query body form".split()
)


def _drop_forbidden(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in FORBIDDEN & event.keys():
        event[key] = "(not logged)"
    return event


def _place_of_error(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An exception as its type and the places that it passed: its message may quote somebody's data."""
    error = event.pop("error", None)
    if isinstance(error, BaseException):
        event["error"] = type(error).__qualname__
        frames = traceback.extract_tb(error.__traceback__)[-6:]
        event["at"] = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    elif error is not None:
        event["error"] = error
    return event


class _StandardError:
    """Standard error, wherever it leads: when that is full or gone, the line is lost and the answer is what it was."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


class _Theirs(logging.Formatter):
    """A library's record as one JSON line: what it would have filled in, and an exception's message, may be somebody's data."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "event": "library",
            "library": record.name,
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "says": str(record.msg).strip().partition("\n")[0][:200],
        }
        if record.exc_info:
            event["error"] = record.exc_info[1]
        return json.dumps(_place_of_error(None, "", event))


def configure(level: str = "info", **always: int) -> None:
    """Once, at start. Libraries' own loggers go to the same place, from warning on. `always`: what each line of ours says too."""

    def with_always(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {**event, **always}

    theirs = logging.StreamHandler(cast(TextIO, _StandardError()))
    theirs.setFormatter(_Theirs())
    logging.basicConfig(handlers=[theirs], level=logging.WARNING, force=True)
    # authlib writes the code verifier at DEBUG.
    logging.getLogger("authlib").setLevel(logging.INFO)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            with_always,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _drop_forbidden,
            _place_of_error,
            structlog.processors.JSONRenderer(ensure_ascii=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _StandardError())),
        cache_logger_on_first_use=True,
    )


def log() -> structlog.typing.FilteringBoundLogger:
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger
