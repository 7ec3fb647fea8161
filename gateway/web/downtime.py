"""The way round: on paper, before it is needed. Where each system is without the gateway, and whom to ring."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import jinja2

from .. import config as configuration
from ..config import Config
from .render import TEMPLATES, when


@dataclass(frozen=True, slots=True)
class Entry:
    title: str
    address: str  # without the gateway
    helpdesk: str
    procedure: str


def entries(config: Config) -> list[Entry]:
    """As configured, in that order."""
    return [
        Entry(
            s.title,
            s.direct or s.upstream or str(s.options.get("address", "")).partition("?")[0],
            s.helpdesk,
            s.procedure,
        )
        for s in config.systems
    ]


def sheet(config: Config, at: float) -> str:
    """The whole sheet as one HTML file, for paper."""
    template = jinja2.Environment(loader=TEMPLATES, autoescape=True, undefined=jinja2.StrictUndefined)
    return template.get_template("downtime_sheet.html").render(
        entries=entries(config), when=when(at), public_url=config.gateway.public_url
    )


def downtime(given: argparse.Namespace) -> int:
    """`lanyard downtime`: the sheet, printed. Raises ConfigError."""
    print(sheet(configuration.load(given.config), time.time()))
    return 0
