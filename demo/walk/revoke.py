"""The phone is lost: out of use by the command line, and refused within a second."""

from __future__ import annotations

import json
import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from subprocess import CompletedProcess

from ..browser import Browser, Wanting
from ..hospital import lanyard
from .figures import Shift
from .systems import closed

MOST = 1000  # milliseconds
_EVERY = 0.02  # seconds between two looks
_PATIENCE = 5.0  # seconds after the command has ended


def loses_the_phone(shift: Shift) -> None:
    phone, config = shift.devices.phone, str(shift.place.config)
    if not _let_in(phone):
        raise Wanting("the phone is not signed on before it is revoked")
    with ThreadPoolExecutor(1) as aside:
        said = aside.submit(lanyard, "device", "revoke", phone.device, "--config", config)
        refused = _first_refused(phone, said)
    if "opened on it" not in said.result().stdout:
        raise Wanting("revoking the phone does not say what was opened on it")
    shift.place.arrived()
    event = lanyard("audit", "search", "--type", "device.revoked", "--limit", "1", "--json", "--config", config)
    after = round(1000 * (refused - float(json.loads(event.stdout)["at"])))
    shift.figures.revoked_refused_ms = max(after, 0)
    if after > MOST:
        raise Wanting(f"the phone was refused {after} ms after it was revoked")
    closed(phone, shift.tiles, "the revoked phone is let in")
    page = phone.submit(phone.get("/sign-on"), "/sign-on/start")
    if page.status != 403 or "device-revoked" not in page.text:
        raise Wanting(f"the revoked phone could begin a sign-on: {page.path} with status {page.status}")


def _let_in(phone: Browser) -> bool:
    return phone.ask(f"{phone.public}/.lanyard/state", f"{phone.public}/").status_code == 200


def _first_refused(phone: Browser, revoking: Future[CompletedProcess[str]]) -> float:
    """When the first request that was refused was sent, by this machine's clock. Raises Wanting where none is."""
    until = math.inf
    while time.monotonic() < until:
        sent = time.time()
        if not _let_in(phone):
            return sent
        if revoking.done():
            revoking.result()
            until = min(until, time.monotonic() + _PATIENCE)
        time.sleep(_EVERY)
    raise Wanting(f"the phone is still let in {_PATIENCE:.0f} s after it was revoked")
