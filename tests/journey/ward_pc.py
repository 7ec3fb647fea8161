"""The gateway by a clock that can be put forward: `python -m … CLOCK serve …`.

`CLOCK` is a file that says by how many seconds.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from gateway import app, cli

opened = app.open_gateway
file = Path(sys.argv[1])


def clock() -> float:
    return time.time() + float(file.read_text())


app.open_gateway = lambda config, **given: opened(config, now=clock, **given)
del sys.argv[1]  # not from what a worker is begun with
sys.exit(cli.main())
