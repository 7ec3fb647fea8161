"""The transport before a real server: what nginx sends is what comes out, on connections that nginx may close when it likes."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import shutil
from collections.abc import AsyncIterator, Iterator

import pytest

from connectors.messages import Body, UpstreamRequest
from demo.ports import free_port
from gateway.proxy.origin import Origin
from tests.counterparts.processes import missing, started
from tests.gateway.proxy.scripted import transport

SCAN = hashlib.sha256(b"scan").digest() * 300_000  # 9.6 MB, no two pages alike
PAGE = "<p>Schröder, Łuczak</p>".encode("iso-8859-2")
BOMB = gzip.compress(b"\0" * 50_000_000)

CONFIGURATION = """
daemon off; master_process off; pid {root}/pid; error_log {root}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {root}; proxy_temp_path {root}; fastcgi_temp_path {root}; uwsgi_temp_path {root};
  scgi_temp_path {root}; client_max_body_size 64m; keepalive_requests 3;
  server {{
    listen 127.0.0.1:{port}; root {root}/www;
    location = /latin {{ default_type "text/html; charset=iso-8859-2"; alias {root}/www/latin; }}
    location = /bomb {{ add_header Content-Encoding gzip; default_type text/html; alias {root}/www/bomb; }}
    location = /moved {{ return 302 http://other.test/; }}
    location = /nothing {{ return 204; }}
    location = /upload {{ dav_methods PUT; }}
    location = /taken {{ return 200 "$request_length"; }}
    location = /twice {{ ssi on; ssi_types *; alias {root}/www/twice; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """nginx on a free port, stopped at the end."""
    if shutil.which("nginx") is None:
        missing("nginx", command="nginx")
    root = tmp_path_factory.mktemp("nginx")
    (root / "www").mkdir()
    for name, content in (
        ("scan", SCAN),
        ("latin", PAGE),
        ("bomb", BOMB),
        ("twice", b'<!--#include virtual="/latin" -->'),
    ):
        (root / "www" / name).write_bytes(content)
    port = free_port()
    settings = root / "nginx.conf"
    settings.write_text(CONFIGURATION.format(root=root, port=port))
    command = ["nginx", "-p", str(root), "-e", str(root / "error.log"), "-c", str(settings)]
    with started(command, ready=f"http://127.0.0.1:{port}/nothing", cwd=root):
        yield port


def asks(
    target: bytes, *headers: tuple[bytes, bytes], method: str = "GET", body: Body | None = None
) -> UpstreamRequest:
    return UpstreamRequest(method, target, ((b"host", b"old.test"), *headers), body)


async def whole(body: Body) -> bytes:
    return b"".join([chunk async for chunk in body.chunks()])


async def test_a_scan_arrives_byte_for_byte_and_in_parts(nginx: int) -> None:
    """OK-308: ten megabytes, whole and as the range that was asked for."""
    async with transport() as carrying:
        origin = Origin("http", "127.0.0.1", nginx)
        answer = await carrying.send(origin, asks(b"/scan"))
        assert await whole(answer.body) == SCAN
        part = await carrying.send(origin, asks(b"/scan", (b"range", b"bytes=1000-1999")))
        assert part.status == 206
        assert await whole(part.body) == SCAN[1000:2000]


async def test_a_condition_is_answered_without_a_body(nginx: int) -> None:
    """OK-312: 304, 204 and HEAD have no body, and the next request is not kept waiting for one."""
    async with transport() as carrying:
        origin = Origin("http", "127.0.0.1", nginx)
        first = await carrying.send(origin, asks(b"/latin", method="HEAD"))
        tag = first.header(b"etag")
        assert tag is not None
        assert first.header(b"content-length") == b"%d" % len(PAGE)
        unchanged = await carrying.send(origin, asks(b"/latin", (b"if-none-match", tag)))
        nothing = await carrying.send(origin, asks(b"/nothing"))
        assert [unchanged.status, nothing.status] == [304, 204]
        assert await whole((await carrying.send(origin, asks(b"/latin"))).body) == PAGE


async def test_bytes_and_codings_are_the_systems_own(nginx: int) -> None:
    """OK-313, UP-207 to 209: neither charset nor packing is touched; what is packed small stays small."""
    async with transport() as carrying:
        origin = Origin("http", "127.0.0.1", nginx)
        assert await whole((await carrying.send(origin, asks(b"/latin"))).body) == PAGE
        assert await whole((await carrying.send(origin, asks(b"/bomb"))).body) == BOMB
        chunked = await carrying.send(origin, asks(b"/twice"))
        assert chunked.header(b"transfer-encoding") == b"chunked"
        assert await whole(chunked.body) == PAGE


async def test_a_redirect_elsewhere_is_told_and_not_followed(nginx: int) -> None:
    """COOKIE-048: nothing is asked of the other host, so nothing of ours reaches it."""
    async with transport() as carrying:
        answer = await carrying.send(Origin("http", "127.0.0.1", nginx), asks(b"/moved"))
        assert (answer.status, answer.header(b"location")) == (302, b"http://other.test/")
        await whole(answer.body)


async def test_an_upload_in_chunks_arrives_whole(nginx: int) -> None:
    """OK-306, OK-307: a body of unknown length is kept by a real server byte for byte."""

    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, len(SCAN), 50_000):
            yield SCAN[start : start + 50_000]

    async with transport() as carrying:
        origin = Origin("http", "127.0.0.1", nginx)
        answer = await carrying.send(origin, asks(b"/upload", method="PUT", body=Body(parts())))
        assert answer.status in (201, 204)
        assert await whole((await carrying.send(origin, asks(b"/upload"))).body) == SCAN


async def test_connections_that_nginx_closes_are_noticed(nginx: int) -> None:
    """A server that ends a connection after every third request costs no request an error, reads and writes alike."""
    async with transport() as carrying:
        origin = Origin("http", "127.0.0.1", nginx)

        async def ask(turn: int) -> bytes:
            post = turn % 3 == 0
            body = Body.of(b"a=1") if post else None
            answer = await carrying.send(origin, asks(b"/taken", method="POST" if post else "GET", body=body))
            assert answer.status == 200
            return await whole(answer.body)

        for start in range(0, 300, 20):
            assert all(await asyncio.gather(*(ask(turn) for turn in range(start, start + 20))))
