"""The gateway at a ward whose devices are all enrolled, by a clock that can be put forward: `python -m … CLOCK serve …`.

`CLOCK` is a file that says by how many seconds.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from gateway import app, cli
from gateway.context import Surroundings
from policies.model import Device, DeviceClass, Ownership

opened = app.open_gateway
file = Path(sys.argv[1])


def clock() -> float:
    return time.time() + float(file.read_text())


def device(self: Surroundings, source: str, headers: Any) -> Device:
    return Device("pc-3", "Ward 7 PC 3", DeviceClass.DESKTOP, Ownership.SHARED)


Surroundings.device = device  # type: ignore[method-assign]  # in place of what the configuration says
app.open_gateway = lambda config: opened(config, now=clock)
sys.exit(cli.main(sys.argv[2:]))
