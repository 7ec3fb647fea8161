"""The files of deploy/two-machines as a test places them: the same lines, with other folders and addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

FILES = Path(__file__).parents[2] / "deploy" / "two-machines"
BALANCERS = {"nginx": "nginx/lanyard.conf", "haproxy": "haproxy/haproxy.cfg"}


def moved(text: str, places: Mapping[str, str]) -> str:
    """With each place here in place of the shipped one."""
    for shipped, here in places.items():
        text = text.replace(shipped, here)
    return text


def balancer_of(name: str, balancer: str) -> str:
    """gw1's file as it is, or gw2's: the one difference is the one that the first lines speak of, who is asked first."""
    text = (FILES / BALANCERS[balancer]).read_text()
    if name == "gw1":
        return text
    if balancer == "haproxy":
        return text.replace("use-server gw1 if { srv_is_up(gw1) }", "use-server gw2 if { srv_is_up(gw2) }")
    text = text.replace(" backup;", ";")
    return re.sub(r"(server 10\.20\.0\.11:8443[^;]*);", r"\1 backup;", text)


def whole(folder: Path, balancer: str, text: str) -> list[str]:
    """The text made a file that the program takes, in `folder`; the command that runs it, and stays."""
    if balancer == "haproxy":
        (folder / "haproxy.cfg").write_text(text)
        return ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")]
    (folder / "nginx.conf").write_text(f"error_log {folder}/nginx-error.log; events {{}} http {{ {text} }}")
    return ["nginx", "-c", str(folder / "nginx.conf"), "-g", f"daemon off; pid {folder}/nginx.pid;"]
