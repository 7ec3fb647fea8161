"""What the kernel saw of a running gateway: which events became durable, what was sent to systems, what to browsers, in order."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PATIENCE = 20.0
_CALLS = "pwrite64,pwritev,fdatasync,fsync,write,writev,sendto,sendmsg"
_ENTRY = re.compile(r"(\d+) +(.*)", re.DOTALL)
_CALL = re.compile(r"(\w+)\((\d+)<(.*?)>(?=[,) ]|$)(.*)", re.DOTALL)
_SOCKET = re.compile(r"TCP:\[127\.0\.0\.1:(\d+)->127\.0\.0\.1:(\d+)\]")
_INTENT = re.compile(r'\\"request\\":\\"([0-9a-f]{32})\\".*\\"type\\":\\"access\.intent\\"')
_ASKED = re.compile(r'"[A-Z]+ (\S+) HTTP/1\.1\\r\\n.*?x-request-id: ([0-9a-f]{32})\\r\\n')
_MARK = re.compile(r"mark-\d+")


@dataclass
class Order:
    """When each thing happened, counted in lines of the trace. A request is known by its id, an answer by its patient."""

    durable: dict[str, int] = field(default_factory=dict)  # request -> the sync that covers its intent had ended
    asked: dict[str, int] = field(default_factory=dict)  # request -> the first byte to the system was about to go
    answered: dict[str, int] = field(default_factory=dict)  # patient -> the first byte to the browser was about to go
    patients: dict[str, str] = field(default_factory=dict)  # request -> patient

    def early(self) -> list[str]:
        """Requests that went on, or answers that left, before the intent was durable; and answers that nobody asked for."""
        never = len(self.durable) + max([0, *self.durable.values(), *self.asked.values(), *self.answered.values()])
        wrong = [request for request, at in self.asked.items() if at < self.durable.get(request, never)]
        asked = {patient: request for request, patient in self.patients.items()}
        for patient, at in self.answered.items():
            request = asked.get(patient)
            if request is None or at < max(self.durable.get(request, never), self.asked[request]):
                wrong.append(patient)
        return wrong


@dataclass
class _File:
    """A segment of the journal: what was written to it, and what of that a sync under way covers."""

    written: set[str] = field(default_factory=set)
    syncing: set[str] = field(default_factory=set)


def read(lines: Iterable[str], *, gateway: int, system: int) -> Order:
    """`gateway`, `system`: the ports that the gateway and the system listen on.

    A call counts as begun at its first line and as ended at its last: a sync proves something when it has ended, a send
    when it begins.
    """
    order, files = Order(), dict[str, _File]()
    begun: dict[str, str] = {}
    opened: dict[str, int] = {}
    for number, line in enumerate(lines):
        entry = _ENTRY.match(line)
        if entry is None:
            continue
        thread, said = entry[1], entry[2].rstrip("\n")
        if said.startswith("<... "):
            start, _, _ = begun.pop(thread, "").rpartition(" <unfinished ...>")
            _end(order, files, start, said, number)
            continue
        _begin(order, files, opened, said, number, gateway, system)
        if said.endswith("<unfinished ...>"):
            begun[thread] = said
        else:
            _end(order, files, said, said, number)
    return order


def _begin(
    order: Order, files: dict[str, _File], opened: dict[str, int], said: str, number: int, gateway: int, system: int
) -> None:
    call = _CALL.match(said)
    if call is None:
        return
    name, place, rest = call[1], f"{call[2]}<{call[3]}>", call[4]
    if name in ("fdatasync", "fsync"):
        file = files.setdefault(call[3], _File())
        file.syncing = set(file.written)
    elif ends := _SOCKET.search(call[3]):
        here, there = int(ends[1]), int(ends[2])
        if there == system:
            for patient, request in _ASKED.findall(rest):
                order.asked.setdefault(request, number)
                order.patients[request] = "".join(_MARK.findall(patient)[:1])
        elif here == gateway:
            if '"HTTP/1.1 200 ' in rest:
                opened[place] = number
            for patient in _MARK.findall(rest):
                order.answered.setdefault(patient, opened.get(place, number))


def _end(order: Order, files: dict[str, _File], start: str, end: str, number: int) -> None:
    call = _CALL.match(start)
    if call is None or " = -1 " in end:
        return
    name, place = call[1], call[3]
    if "/journal/" not in place:
        return  # the searchable copy is no proof
    file = files.setdefault(place, _File())
    if name in ("pwrite64", "pwritev", "write", "writev"):
        for record in call[4].split(r"{\"at\":")[1:]:
            file.written.update(_INTENT.findall(record))
    elif name in ("fdatasync", "fsync") and end.endswith("= 0"):
        for request in file.syncing:
            order.durable.setdefault(request, number)


@contextlib.contextmanager
def traced(process: int, path: Path) -> Iterator[None]:
    """Write the calls of a running process and of all its threads to `path`, until the block ends."""
    said = path.with_suffix(".said")
    command = ["strace", "-f", "-yy", "-s", "1000000", "-e", f"trace={_CALLS}", "-e", "signal=none"]
    with said.open("wb") as out:
        running = subprocess.Popen([*command, "-o", str(path), "-p", str(process)], stderr=out)
    try:
        _attached(running, said)
        yield
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGINT)
        running.wait(PATIENCE)


def _attached(running: subprocess.Popen[bytes], said: Path) -> None:
    late = time.monotonic() + PATIENCE
    while "attached" not in said.read_text():
        if running.poll() is not None:
            unseen(f"STRACE MAY NOT LOOK: {said.read_text().strip()}")
        assert time.monotonic() < late, said.read_text()
        time.sleep(0.02)


def unseen(why: str) -> None:
    """A loud skip on a workbench, a failure in CI."""
    message = f"{why}; nobody has seen that the sync ends before the answer begins"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def need_strace() -> None:
    if shutil.which("strace") is None:
        unseen("STRACE IS MISSING: install it (`make servers`)")
