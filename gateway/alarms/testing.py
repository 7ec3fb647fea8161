"""`lanyard alarm test`: one message by every way that is configured, and which of them took it."""

from __future__ import annotations

import argparse
import sys
import time

from .. import config as configuration
from ..errors import ConfigError
from .sending import DELIVERY
from .telling import Notice
from .ways import ways_of


def alarm_test(given: argparse.Namespace) -> int:
    """0: each way took it; 1: one did not. Raises ConfigError where there is none."""
    config = configuration.load(given.config)
    ways = ways_of(config.alarms)
    if not ways:
        raise ConfigError(["alarms.mail_server: nothing is configured: alarms are in the log and the metrics only"])
    now, failed = time.time(), 0
    notice = Notice(config.gateway.name, DELIVERY, "only a test", now, now)
    for way in ways:
        try:
            way(notice)
        except OSError as error:
            print(f"lanyard: {way.name}: not sent: {type(error).__name__}: {error}", file=sys.stderr)
            failed = 1
        else:
            print(f"{way.name}: sent")
    return failed
