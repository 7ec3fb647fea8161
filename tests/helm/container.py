"""A container's walls without a container: nothing may be written but the volumes, and no capability is left."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

_WALLS = """
folder=$1; shift
mount --rbind / /
for volume in data tmp; do mount --bind "$folder/$volume" "$folder/$volume"; done
mount -o remount,ro,bind /
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all "$@"
"""


def walled(folder: Path, command: Sequence[str]) -> list[str]:
    """`command` between walls, with `data` and `tmp` of `folder` as its volumes."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _WALLS, "sh", str(folder), *command]


@cache
def can_wall(folder: Path) -> bool:
    """Whether this user may have a mount table of its own, and this kernel gives one."""
    if os.getuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")):
        return False
    return subprocess.run(walled(folder, ["true"]), capture_output=True).returncode == 0
