"""Commands for the gateway itself: run it, check it, see how it is."""

from __future__ import annotations

import argparse
import os
import sys

from .command_line import CommandLine


def add(line: CommandLine) -> None:
    line.group("alarm", "try how alarms are told")
    line.group("connector", "begin connectors of one's own")
    line.group("database", "know and move the revision of the database")
    line.group("key", "make and use keys")
    line.group("policy", "check policies")
    _running(line)
    _keys(line)
    _policies(line)
    _standing(line)
    _connectors(line)


def _running(line: CommandLine) -> None:
    demo = line.command(
        "demo",
        "commands.gateway:demo",
        "a pretend hospital and a gateway in front of it",
        "lanyard demo --walk",
        config=False,
    )
    demo.add_argument("--port", type=int, default=8080, help="where the gateway listens (default: 8080)")
    demo.add_argument("--patients", metavar="DIR", help="a folder of FHIR R4 bundles, in place of invented patients")
    demo.add_argument("--walk", action="store_true", help="go through a nurse's shift by itself, print the table, stop")
    demo.add_argument("--json", metavar="FILE", help="with --walk: the table's figures, as JSON")
    serving = line.command(
        "serve", "crew.serving:serve", "run the gateway", "lanyard serve --config /etc/lanyard/lanyard.toml"
    )
    serving.add_argument("--workers", type=_workers, metavar="N", help="so many processes, in place of gateway.workers")
    serving.add_argument("--worker", type=int, help=argparse.SUPPRESS)  # the parent's own: a descriptor
    check = line.command(
        "check", "check:check", "find every problem of a configuration", "lanyard check --config lanyard.toml --live"
    )
    check.add_argument("--live", action="store_true", help="also ask the identity provider and every system")
    line.command(
        "downtime",
        "web.downtime:downtime",
        "the sheet for when the gateway is down, as one HTML file to print",
        "lanyard downtime --config lanyard.toml > downtime.html",
    )


def _keys(line: CommandLine) -> None:
    line.command(
        "key new", "sealing:key_new", "print a new key", "lanyard key new > /etc/lanyard/seal.key", config=False
    )
    sealing = line.command(
        "key seal-credentials",
        "sealing:key_seal_credentials",
        "seal a list of clinicians' credentials (JSON on standard input) for a system",
        "lanyard key seal-credentials pas < pas.json > /etc/lanyard/pas.credentials",
    )
    sealing.add_argument("system", help="the system's name")


def _policies(line: CommandLine) -> None:
    policy = line.command(
        "policy check",
        "judging:policy_check",
        "check a policy bundle and its examples",
        "lanyard policy check ./policies",
        config=False,
    )
    policy.add_argument("path", nargs="?", help="the bundle's folder (default: the bundled one)")
    explaining = line.command(
        "policy explain",
        "judging:policy_explain",
        "why a question is permitted or refused, or why a request was",
        "lanyard policy explain --request 5f0c2a --config lanyard.toml\n"
        """         echo '{"who": "nurse", "does": "read", "what": "observation"}' | lanyard policy explain""",
    )
    explaining.add_argument("file", nargs="?", help="the question, JSON or TOML (default: standard input)")
    explaining.add_argument("--request", metavar="ID", help="the question of the request with this number (journalled)")
    explaining.add_argument("--policies", metavar="DIR", help="ask these policies (default: the configured or bundled)")


def _standing(line: CommandLine) -> None:
    asking = line.command(
        "status",
        "status:status",
        "how the gateway is: ready or why not, stores, journal, systems, alarms and what to do",
        "lanyard status --at 10.20.0.12:9090",
    )
    asking.add_argument(
        "--at", action="append", default=[], metavar="HOST:PORT", help="also the gateway whose ops listener is there"
    )
    asking.add_argument("--json", action="store_true", help="what each gateway said, as JSON")
    line.command(
        "database status",
        "revisions:database_status",
        "the revision of the database's tables, and this release's",
        "lanyard database status --config lanyard.toml",
    )
    moving = line.command(
        "database migrate",
        "revisions:database_migrate",
        "bring the database's tables to this release's revision, as the gateway does when it starts, or to another",
        "lanyard database migrate --to 0001",
    )
    moving.add_argument("--to", default="", metavar="REVISION", help="this one, forwards or back (default: the latest)")
    line.command(
        "alarm test",
        "alarms.testing:alarm_test",
        "send one message by mail and webhook, as an alarm would be",
        "lanyard alarm test --config lanyard.toml",
    )


def _connectors(line: CommandLine) -> None:
    making = line.command(
        "connector new",
        "connecting:connector_new",
        "begin a connector of one's own: code, manifest and a suite that passes at once",
        "lanyard connector new ward-board",
        config=False,
    )
    making.add_argument("name", help="what it is called in `systems.connector`")
    making.add_argument("--folder", metavar="DIR", help="where it is written (default: lanyard-NAME)")
    learning = line.command(
        "connector learn",
        "connecting:connector_learn",
        "propose a system's declaration from a browser's recording of a log-on and a patient's page",
        "lanyard connector learn pas.har --name pas",
        config=False,
    )
    learning.add_argument("file", help="the recording (HAR), saved with content")
    learning.add_argument("--name", default="system", help="the system's name (default: system)")


def _workers(text: str) -> int:
    if not (text.isdigit() and 1 <= int(text) <= 64):
        raise argparse.ArgumentTypeError(f"`{text}` is no number of workers: 1 to 64")
    return int(text)


def demo(given: argparse.Namespace) -> int:
    """The demo is a program of its own, that uses this one by its command line only."""
    command = [sys.executable, "-m", "demo", "--port", str(given.port)]
    command += ["--patients", given.patients] if given.patients else []
    command += ["--walk"] if given.walk else []
    command += ["--json", given.json] if given.json else []
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter and our own module
