"""Large things pass through: part by part, at the reader's pace, in bounded memory, and never as whole when they are not."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .browser import Browser
from .hospital import Hospital, hospital, system
from .recorder import PATIENCE
from .streams import MIB, Message, Outgoing, Streams, asking, block, streams, whole
from .ward import PAGE, answers, old_system

pytestmark = pytest.mark.counterpart

SIZE = 32  # MiB
PLENTY = 64  # MiB: more than the kernel takes off a gateway that does not read
MOST_HELD = 16 * MIB


@dataclass
class Place:
    hospital: Hospital
    upstream: Streams
    cookie: str

    def memory(self) -> int:
        """Bytes that the gateway's process holds."""
        status = Path(f"/proc/{self.hospital.worker}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    def request(self, line: str, *headers: str) -> bytes:
        url = self.hospital.system_url("pas")
        lines = [f"{line} HTTP/1.1", f"Host: {urlsplit(url).netloc}", f"Cookie: {self.cookie}", f"Referer: {url}{PAGE}"]
        return "\r\n".join([*lines, "Sec-Fetch-Site: same-origin", *headers, "", ""]).encode()

    @contextlib.contextmanager
    def looking(self, *, mib: int = SIZE, chunked: bool = True) -> Iterator[tuple[Message, Outgoing]]:
        """An image is asked for: the answer at the browser, and the image at the system, its head already sent."""
        with asking(self.hospital.port, self.request("GET /records/7/image")) as answer:
            there, _ = self.upstream.given()
            size = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {mib * MIB}"
            there.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n{size}\r\n\r\n".encode())
            with contextlib.closing(there):
                yield answer, Outgoing(there, mib, chunked)

    @contextlib.contextmanager
    def sending(self, *, mib: int = SIZE, chunked: bool = True) -> Iterator[tuple[Message, Outgoing, Message]]:
        """A scan is sent: the answer to come, the scan at the browser, and what has come of it at the system."""
        size = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {mib * MIB}"
        kind = "Content-Type: image/tiff"
        line = "POST /records/7/scan"
        with asking(self.hospital.port, self.request(line, kind, size)) as answer:
            scan = Outgoing(answer.connection, mib, chunked)
            scan.one()
            there, arrived = self.upstream.given()
            with contextlib.closing(there):
                yield answer, scan, arrived

    def told(self, kind: str, how_many: int) -> list[dict[str, object]]:
        """Events of this kind, as soon as there are so many: how it ended is written behind the answer."""
        until = time.monotonic() + PATIENCE
        while len(events := self.hospital.events(type=kind)) < how_many:
            assert time.monotonic() < until, f"{len(events)} of {kind}"
        return events


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with streams(answers) as upstream, Browser() as browser:
        systems = [system("pas", "webform", upstream.origin, options=old_system(location="/login.asp"))]
        people = {"pas": {"n.okoye": ("okoye", "secret")}}
        with hospital(tmp_path_factory.mktemp("streams"), systems, credentials=people) as running:
            running.sign_on(browser, "n.okoye")
            url = running.system_url("pas")
            assert browser.get(f"{url}{PAGE}").status == 200
            jar = browser.cookies[urlsplit(url).netloc]
            yield Place(running, upstream, "; ".join(f"{name}={value}" for name, value in jar.items()))


FRAMED = pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "of a length"])


@FRAMED
def test_each_part_of_a_large_answer_arrives_before_the_next_is_sent(place: Place, chunked: bool) -> None:
    """A slow system's 32 MiB come through MiB by MiB: nothing waits for the end, and nothing of it is kept."""
    before, most = place.memory(), 0
    with place.looking(chunked=chunked) as (answer, image):
        for number in range(SIZE):
            image.one()
            answer.until(lambda sent=number + 1: len(answer.content) == sent * MIB)  # type: ignore[misc]  # default binds this turn's value
            most = max(most, place.memory())
        assert answer.whole is not chunked
        image.end()
        answer.to_the_end()
    assert (answer.status, answer.whole) == (200, True)
    assert answer.content == whole(SIZE)
    assert most - before < MOST_HELD


@FRAMED
def test_a_browser_that_stops_reading_stops_the_system(place: Place, chunked: bool) -> None:
    """The system cannot send on while nobody reads; the gateway does not swallow it; and then all of it arrives."""
    before = place.memory()
    with place.looking(mib=PLENTY, chunked=chunked) as (answer, image):
        assert image.fill()
        assert image.sent < PLENTY * MIB // 2
        assert place.memory() - before < MOST_HELD
        image.all_into(answer)
        assert place.memory() - before < MOST_HELD
    assert answer.whole
    assert answer.content == whole(PLENTY)


@FRAMED
def test_each_part_of_a_large_upload_arrives_before_the_next_is_sent(place: Place, chunked: bool) -> None:
    """32 MiB go to the system MiB by MiB, and what the system says comes back."""
    before, most = place.memory(), 0
    with place.sending(chunked=chunked) as (answer, scan, arrived):
        for number in range(SIZE):
            if number:
                scan.one()
            arrived.until(lambda sent=number + 1: len(arrived.content) == sent * MIB)  # type: ignore[misc]  # as above
            most = max(most, place.memory())
        assert arrived.whole is not chunked
        scan.end()
        arrived.to_the_end()
        assert arrived.whole
        arrived.connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nkept")
        answer.to_the_end()
    assert (answer.status, answer.whole, bytes(answer.content)) == (201, True, b"kept")
    assert arrived.content == whole(SIZE)
    assert most - before < MOST_HELD


@FRAMED
def test_a_system_that_stops_reading_stops_the_browser(place: Place, chunked: bool) -> None:
    """The browser cannot send on while the system does not read; and then all of it arrives."""
    before = place.memory()
    with place.sending(mib=PLENTY, chunked=chunked) as (answer, scan, arrived):
        assert scan.fill()
        assert scan.sent < PLENTY * MIB // 2
        assert place.memory() - before < MOST_HELD
        scan.all_into(arrived)
        assert arrived.whole
        arrived.connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        answer.to_the_end()
    assert answer.status == 204
    assert arrived.content == whole(PLENTY)
    assert place.memory() - before < MOST_HELD


@FRAMED
def test_an_answer_that_breaks_off_is_never_whole(place: Place, chunked: bool) -> None:
    """Half an image from the system is half an image at the browser, seen to be broken, and written down as that."""
    known = len(place.hospital.events(type="record.incomplete"))
    with place.looking(chunked=chunked) as (answer, image):
        image.one()
        answer.until(lambda: len(answer.content) == MIB)
        image.connection.close()
        answer.to_the_end()
        assert (answer.closed, answer.whole) == (True, False)
        assert answer.content == block(0)
    assert len(place.told("record.incomplete", known + 1)) == known + 1


@pytest.mark.parametrize("silent", [True, False], ids=["while the system is silent", "while the system sends"])
def test_a_browser_that_goes_away_frees_the_system(place: Place, silent: bool) -> None:
    """The system's connection is closed for it, and the journal says that the answer was not read to its end."""
    known = len(place.hospital.events(type="record.incomplete"))
    with place.looking() as (answer, image):
        image.one()
        answer.until(lambda: len(answer.content) == MIB)
        if not silent:
            assert image.fill()
        answer.connection.close()
        assert closed(image.connection)
    assert len(place.told("record.incomplete", known + 1)) == known + 1


@FRAMED
def test_an_upload_that_breaks_off_is_never_whole(place: Place, chunked: bool) -> None:
    """Half a scan is never a scan at the system, and the journal says that the write was aborted."""
    known = len(place.hospital.events(type="write.aborted"))
    with place.sending(chunked=chunked) as (answer, _, arrived):
        arrived.until(lambda: len(arrived.content) == MIB)
        answer.connection.close()
        arrived.to_the_end()
        assert (arrived.closed, arrived.whole) == (True, False)
    assert len(place.told("write.aborted", known + 1)) == known + 1


def test_a_system_that_goes_away_in_an_upload_is_told(place: Place) -> None:
    """Nobody can know what became of the scan: the browser hears exactly that, and no success."""
    known = len(place.hospital.events(type="write.aborted"))
    with place.sending() as (answer, _, arrived):
        arrived.until(lambda: len(arrived.content) == MIB)
        arrived.connection.close()
        answer.to_the_end()
        assert answer.status == 502
        assert b"write-unknown" in answer.content
    assert len(place.told("write.aborted", known + 1)) == known + 1


def closed(connection: socket.socket) -> bool:
    """Wait until the other side has closed."""
    with contextlib.suppress(ConnectionError):
        return connection.recv(1) == b""
    return True
