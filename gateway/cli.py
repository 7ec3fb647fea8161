"""The command line. Exit 0: well; 1: found wanting; 2: cannot run, with the file, key and remedy."""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
from collections.abc import Callable, Sequence

from connectors.errors import ConnectorError
from policies.errors import BundleError
from sso.errors import StoreUnavailable

from .audit.recovery import JournalDamaged
from .commands import devices, gateway, journal, people
from .commands.command_line import CommandLine
from .config import placed
from .errors import ConfigError, JournalUnavailable, SearchUnavailable

WELL, CANNOT = 0, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point: parse, run, turn refusals into one clear line each."""
    parsed = _parser().parse_args(arguments)
    parsed.program = _program(arguments)
    run: Callable[[argparse.Namespace], int] = parsed.run
    try:
        return run(parsed)
    except (ConfigError, BundleError) as error:
        for problem in error.problems:
            print(f"lanyard: {placed(problem, parsed.config)}", file=sys.stderr)
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return WELL
    except (JournalDamaged, JournalUnavailable, SearchUnavailable, StoreUnavailable, ConnectorError, OSError) as error:
        print(f"lanyard: {error}", file=sys.stderr)
    except sqlite3.Error as error:
        print(f"lanyard: `search.db` cannot be used: {error}: it may be deleted, it is made again", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return CANNOT


def _program(arguments: Sequence[str] | None) -> list[str]:
    """The command that this process is, to begin another like it."""
    if arguments is None:
        return [sys.executable, *sys.orig_argv[1:]]
    return [sys.executable, "-m", "gateway.cli", *arguments]


def _parser() -> argparse.ArgumentParser:
    line = CommandLine("lanyard", "A gateway to clinical records: one sign-on a shift, every look written down.")
    for room in (gateway, people, devices, journal):
        room.add(line)
    return line.parser


if __name__ == "__main__":
    sys.exit(main())
