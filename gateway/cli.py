"""The command line. Exit 0: well; 1: found wanting; 2: cannot run, with the file, key and remedy."""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence

import uvloop

from connectors.errors import ConnectorError
from policies.errors import BundleError
from sso.errors import StoreUnavailable
from sso.seal import new_key

from . import config as configuration
from .alarms.commands import alarm_commands
from .assembly import seal_of
from .audit.recovery import JournalDamaged
from .auditing import audit_search, audit_verify
from .badging import badge_forget, badge_import
from .credentials import seal_credentials
from .enrolling import device_approve, device_enrol, device_list, device_revoke
from .errors import ConfigError, JournalUnavailable, SearchUnavailable
from .judging import policy_check, policy_explain
from .observing import device_report
from .reviewing import emergency_forget, emergency_list, emergency_reviewed
from .revisions import database_commands
from .status import status_command
from .vaulting import vault_commands

WELL, WANTING, CANNOT = 0, 1, 2
Command = Callable[..., argparse.ArgumentParser]  # adds one, and gives its parser for its arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point: parse, run, turn refusals into one clear line each."""
    parsed = _parser().parse_args(arguments)
    parsed.program = _program(arguments)
    run: Callable[[argparse.Namespace], int] = parsed.run
    try:
        return run(parsed)
    except (ConfigError, BundleError) as error:
        for problem in error.problems:
            print(f"lanyard: {_placed(problem, parsed)}", file=sys.stderr)
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


def _workers(text: str) -> int:
    if not (text.isdigit() and 1 <= int(text) <= 64):
        raise argparse.ArgumentTypeError(f"`{text}` is no number of workers: 1 to 64")
    return int(text)


def _placed(problem: str, given: argparse.Namespace) -> str:
    """With the configuration's file before a problem that begins with one of its keys."""
    table = problem.partition(":")[0].partition(".")[0]
    return f"{given.config}: {problem}" if table in configuration.Config.model_fields else problem


def _serve(given: argparse.Namespace) -> int:
    """The parent; or, where the parent has begun it with a line to itself, one of its workers."""
    if given.worker is not None:
        from .crew.worker import work

        return work(given.worker)
    from .crew.captain import serve

    return uvloop.run(serve(given.config, given.workers, given.program))


def _check(given: argparse.Namespace) -> int:
    from .check import notices, problems

    config = configuration.load(given.config)
    found = asyncio.run(problems(config, live=given.live))
    for notice in notices(config):
        print(f"{given.config}: {notice}")
    for problem in found:
        print(f"lanyard: {_placed(problem, given)}", file=sys.stderr)
    if not found:
        print(f"{given.config}: {len(config.systems)} systems, all well")
    return WANTING if found else WELL


def _downtime(given: argparse.Namespace) -> int:
    from .web.downtime import sheet

    print(sheet(configuration.load(given.config), time.time()))
    return WELL


def _key_new(given: argparse.Namespace) -> int:
    print(new_key())
    return WELL


def _key_seal_credentials(given: argparse.Namespace) -> int:
    config = configuration.load(given.config)
    if given.system not in {system.name for system in config.systems}:
        raise ConfigError([f"`{given.system}` is no system of {given.config}"])
    seal = seal_of(config)
    print(seal_credentials(sys.stdin.buffer.read(), given.system, seal))
    return WELL


def _demo(given: argparse.Namespace) -> int:
    """The demo is a program of its own, that uses this one by its command line only."""
    options = [sys.executable, "-m", "demo", "--port", str(given.port)]
    options += ["--patients", given.patients] if given.patients else []
    options += ["--walk"] if given.walk else []
    options += ["--json", given.json] if given.json else []
    os.execv(sys.executable, options)  # noqa: S606 - our own interpreter and our own module


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lanyard", description="A gateway to clinical records: one sign-on a shift, every look written down."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        path: str, run: Callable[[argparse.Namespace], int], does: str, example: str, *, config: bool = True
    ) -> argparse.ArgumentParser:
        group, _, name = path.rpartition(" ")
        into = groups[group] if group else commands
        made = into.add_parser(
            name,
            help=does,
            description=does,
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(run=run)
        if config:
            made.add_argument(
                "--config", default="lanyard.toml", metavar="FILE", help="the configuration (default: lanyard.toml)"
            )
        return made

    groups: dict[str, argparse._SubParsersAction[argparse.ArgumentParser]] = {}
    for name, does in (
        ("alarm", "try how alarms are told"),
        ("audit", "ask and prove the journal"),
        ("badge", "bring in and release clinicians' badges"),
        ("database", "know and move the revision of the database"),
        ("device", "know devices, and end them"),
        ("emergency", "look at sign-ons without the identity provider"),
        ("key", "make and use keys"),
        ("policy", "check policies"),
        ("vault", "bring in and release clinicians' credentials"),
    ):
        groups[name] = commands.add_parser(name, help=does, description=does).add_subparsers(
            required=True, metavar="COMMAND"
        )

    demo = command(
        "demo", _demo, "a pretend hospital and a gateway in front of it", "lanyard demo --walk", config=False
    )
    demo.add_argument("--port", type=int, default=8080, help="where the gateway listens (default: 8080)")
    demo.add_argument("--patients", metavar="DIR", help="a folder of FHIR R4 bundles, in place of invented patients")
    demo.add_argument("--walk", action="store_true", help="go through a nurse's shift by itself, print the table, stop")
    demo.add_argument("--json", metavar="FILE", help="with --walk: the table's figures, as JSON")
    serving = command("serve", _serve, "run the gateway", "lanyard serve --config /etc/lanyard/lanyard.toml")
    serving.add_argument("--workers", type=_workers, metavar="N", help="so many processes, in place of gateway.workers")
    serving.add_argument("--worker", type=int, help=argparse.SUPPRESS)  # the parent's own: a descriptor
    check = command(
        "check", _check, "find every problem of a configuration", "lanyard check --config lanyard.toml --live"
    )
    check.add_argument("--live", action="store_true", help="also ask the identity provider and every system")
    command(
        "downtime",
        _downtime,
        "the sheet for when the gateway is down, as one HTML file to print",
        "lanyard downtime --config lanyard.toml > downtime.html",
    )
    command("key new", _key_new, "print a new key", "lanyard key new > /etc/lanyard/seal.key", config=False)
    sealing = command(
        "key seal-credentials",
        _key_seal_credentials,
        "seal a list of clinicians' credentials (JSON on standard input) for a system",
        "lanyard key seal-credentials pas < pas.json > /etc/lanyard/pas.credentials",
    )
    sealing.add_argument("system", help="the system's name")
    policy = command(
        "policy check",
        policy_check,
        "check a policy bundle and its examples",
        "lanyard policy check ./policies",
        config=False,
    )
    policy.add_argument("path", nargs="?", help="the bundle's folder (default: the bundled one)")
    explaining = command(
        "policy explain",
        policy_explain,
        "why a question is permitted or refused, or why a request was",
        "lanyard policy explain --request 5f0c2a --config lanyard.toml\n"
        """         echo '{"who": "nurse", "does": "read", "what": "observation"}' | lanyard policy explain""",
    )
    explaining.add_argument("file", nargs="?", help="the question, JSON or TOML (default: standard input)")
    explaining.add_argument("--request", metavar="ID", help="the question of the request with this number (journalled)")
    explaining.add_argument("--policies", metavar="DIR", help="ask these policies (default: the configured or bundled)")
    _badge_commands(command)
    _device_commands(command)
    _audit_commands(command)
    _emergency_commands(command)
    vault_commands(command)
    alarm_commands(command)
    status_command(command)
    database_commands(command)
    return parser


def _badge_commands(command: Command) -> None:
    bringing = command(
        "badge import",
        badge_import,
        "register a list of badges (CSV: badge, subject, issuer) to their clinicians (journalled)",
        "lanyard badge import badges.csv",
    )
    bringing.add_argument("file", metavar="FILE", help="the list; `-` for standard input")
    forgetting = command(
        "badge forget", badge_forget, "forget a clinician's badges (journalled)", "lanyard badge forget n.okoye"
    )
    _whose(forgetting)


def _device_commands(command: Command) -> None:
    listing = command("device list", device_list, "the devices that are known", "lanyard device list --json")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    for name, does in (
        ("find", "part of a name, ward or owner, or the beginning of an id"),
        ("ward", "of this ward only"),
        ("state", "in this state only: pending, `in use` or revoked"),
    ):
        listing.add_argument(f"--{name}", default="", help=does)
    enrolling = command(
        "device enrol",
        device_enrol,
        "print a one-time link that makes the browser it is opened in a known device",
        "lanyard device enrol --name 'Ward 7 PC 3' --ward 'Ward 7' --ownership shared --managed",
    )
    enrolling.add_argument("--name", required=True, help="what people call it")
    enrolling.add_argument("--ward", default="", help="where it stands")
    whose = ("shared", "issued")
    enrolling.add_argument("--ownership", required=True, choices=whose, help="who uses it: everybody, or one person")
    enrolling.add_argument("--managed", action="store_true", help="the hospital manages it")
    for part in ("issuer", "subject"):
        enrolling.add_argument(
            f"--certificate-{part}",
            default="",
            metavar="NAME",
            help=f"enrol at once by its client certificate: the {part} as the proxy writes it",
        )
    for name, run, does in (
        ("approve", device_approve, "let a clinician's own device count as theirs (journalled)"),
        (
            "revoke",
            device_revoke,
            "take a device out of use within a second, and say what was opened on it (journalled)",
        ),
    ):
        ending = command(f"device {name}", run, does, f"lanyard device {name} 5f0c2a91b3d4")
        ending.add_argument("id", help="its id, or the beginning that `lanyard device list` shows")
    reporting = command(
        "device report",
        device_report,
        "what enforcing would have refused, while `devices.mode` observes (journalled)",
        "lanyard device report --days 7",
    )
    reporting.add_argument("--days", type=int, default=7, help="so many days back (default: 7)")
    reporting.add_argument("--json", action="store_true", help="one JSON object a line")


def _audit_commands(command: Command) -> None:
    proving = command(
        "audit verify", audit_verify, "prove that the journal is whole", "lanyard audit verify --config lanyard.toml"
    )
    proving.add_argument("--json", action="store_true", help="the report as JSON")
    asking = command(
        "audit search",
        audit_search,
        "who saw what (the search is journalled)",
        "lanyard audit search --patient '999 000 0018'",
    )
    for name, does in (
        ("who", "subject, or a part of the name"),
        ("patient", "an identifier: NHS number or a system's own"),
        ("system", "a system's name"),
        ("type", "an event type, e.g. access.denied"),
        ("request", "a request's number, or its beginning as pages show it"),
        ("since", "from this time, UTC: 2026-11-27T14:30"),
        ("until", "before this time"),
    ):
        asking.add_argument(f"--{name}", default="", help=does)
    asking.add_argument("--limit", type=int, default=100, help="at most so many, newest first (default: 100)")
    asking.add_argument("--json", action="store_true", help="one JSON object a line")


def _emergency_commands(command: Command) -> None:
    listing = command(
        "emergency list",
        emergency_list,
        "emergency sign-ons that nobody has looked at yet (journalled)",
        "lanyard emergency list --all",
    )
    listing.add_argument("--all", action="store_true", help="also those that somebody has looked at")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    looking = command(
        "emergency reviewed",
        emergency_reviewed,
        "say that one was looked at, and what was found (journalled)",
        """lanyard emergency reviewed 5f0c2a91b3d4 --note "rang ward 7: it was she" """.rstrip(),
    )
    looking.add_argument("id", help="its number, or the beginning that `lanyard emergency list` shows")
    looking.add_argument("--note", required=True, help="what was found: it is journalled")
    forgetting = command(
        "emergency forget",
        emergency_forget,
        "forget a leaver's last sign-on, so that only the provider lets them in (journalled)",
        "lanyard emergency forget n.okoye",
    )
    _whose(forgetting)


def _whose(command: argparse.ArgumentParser) -> None:
    command.add_argument("subject", help="whose: the subject, as the journal says it")
    command.add_argument("--issuer", default="", help="whose issuer, where it is not `sso.issuer`")


if __name__ == "__main__":
    sys.exit(main())
