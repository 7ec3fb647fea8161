"""Commands for clinicians' badges and credentials, and for who signed on in an emergency."""

from __future__ import annotations

import argparse

from .command_line import CommandLine, texts


def add(line: CommandLine) -> None:
    line.group("badge", "bring in and release clinicians' badges")
    line.group("emergency", "look at sign-ons without the identity provider")
    line.group("vault", "bring in and release clinicians' credentials")
    _badges(line)
    _emergencies(line)
    _vault(line)


def _badges(line: CommandLine) -> None:
    bringing = line.command(
        "badge import",
        "badging:badge_import",
        "register a list of badges (CSV: badge, subject, issuer) to their clinicians (journalled)",
        "lanyard badge import badges.csv",
    )
    bringing.add_argument("file", metavar="FILE", help="the list; `-` for standard input")
    forgetting = line.command(
        "badge forget",
        "badging:badge_forget",
        "forget a clinician's badges (journalled)",
        "lanyard badge forget n.okoye",
    )
    _whose(forgetting)


def _emergencies(line: CommandLine) -> None:
    listing = line.command(
        "emergency list",
        "reviewing:emergency_list",
        "emergency sign-ons that nobody has looked at yet (journalled)",
        "lanyard emergency list --all",
    )
    listing.add_argument("--all", action="store_true", help="also those that somebody has looked at")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    looking = line.command(
        "emergency reviewed",
        "reviewing:emergency_reviewed",
        "say that one was looked at, and what was found (journalled)",
        """lanyard emergency reviewed 5f0c2a91b3d4 --note "rang ward 7: it was she" """.rstrip(),
    )
    looking.add_argument("id", help="its number, or the beginning that `lanyard emergency list` shows")
    looking.add_argument("--note", required=True, help="what was found: it is journalled")
    forgetting = line.command(
        "emergency forget",
        "reviewing:emergency_forget",
        "forget a leaver's last sign-on, so that only the provider lets them in (journalled)",
        "lanyard emergency forget n.okoye",
    )
    _whose(forgetting)


def _vault(line: CommandLine) -> None:
    bringing = line.command(
        "vault import",
        "vaulting:vault_import",
        "keep a list of clinicians' credentials (JSON, as `lanyard key seal-credentials` takes it) for a system",
        "lanyard vault import pas.json --system pas",
    )
    bringing.add_argument("file", metavar="FILE", help="the list; `-` for standard input")
    bringing.add_argument("--system", required=True, help="the system's name")
    releasing = line.command(
        "vault release",
        "vaulting:vault_release",
        "show one credential on this terminal, for downtime: one person asks, another confirms within 15 minutes",
        """lanyard vault release --system pas --subject n.okoye --operator "A Brown" --reason "gateway down, ward 7"\n"""
        """         lanyard vault release --confirm 3F7K-Q2XM --operator "C Davis" --reason "rang ward 7: it is she" """.rstrip(),
    )
    texts(
        releasing,
        ("system", "the system's name"),
        ("subject", "whose credential: the subject, as the journal says it"),
        ("issuer", "whose issuer, where it is not `sso.issuer`"),
        ("confirm", "the number that the first person was given"),
    )
    releasing.add_argument("--operator", required=True, help="your own name: it is journalled")
    releasing.add_argument("--reason", required=True, help="why: it is journalled")
    line.command(
        "vault rewrap",
        "vaulting:vault_rewrap",
        "wrap the data keys again under the first key, as the gateway does by itself, and say how many are left",
        "lanyard vault rewrap --config lanyard.toml",
    )


def _whose(command: argparse.ArgumentParser) -> None:
    command.add_argument("subject", help="whose: the subject, as the journal says it")
    command.add_argument("--issuer", default="", help="whose issuer, where it is not `sso.issuer`")
