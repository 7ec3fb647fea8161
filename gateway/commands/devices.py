"""Commands for devices."""

from __future__ import annotations

from .command_line import CommandLine, texts


def add(line: CommandLine) -> None:
    line.group("device", "know devices, and end them")
    listing = line.command(
        "device list", "enrolling:device_list", "the devices that are known", "lanyard device list --json"
    )
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    texts(
        listing,
        ("find", "part of a name, ward or owner, or the beginning of an id"),
        ("ward", "of this ward only"),
        ("state", "in this state only: pending, `in use` or revoked"),
    )
    enrolling = line.command(
        "device enrol",
        "enrolling:device_enrol",
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
        ("approve", "enrolling:device_approve", "let a clinician's own device count as theirs (journalled)"),
        (
            "revoke",
            "enrolling:device_revoke",
            "take a device out of use within a second, and say what was opened on it (journalled)",
        ),
    ):
        ending = line.command(f"device {name}", run, does, f"lanyard device {name} 5f0c2a91b3d4")
        ending.add_argument("id", help="its id, or the beginning that `lanyard device list` shows")
    reporting = line.command(
        "device report",
        "observing:device_report",
        "what enforcing would have refused, while `devices.mode` observes (journalled)",
        "lanyard device report --days 7",
    )
    reporting.add_argument("--days", type=int, default=7, help="so many days back (default: 7)")
    reporting.add_argument("--json", action="store_true", help="one JSON object a line")
