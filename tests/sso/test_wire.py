"""One question to the provider, over TLS."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from sso import wire
from sso.errors import ProviderAway
from sso.testing import Reply, ToyProvider


def _certificate(folder: Path) -> Path:
    """A certificate of 127.0.0.1 that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "toy provider")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "provider.pem"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + pem)
    return path


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return _certificate(tmp_path)


@pytest.fixture
async def url(certificate: Path) -> AsyncIterator[str]:
    """A server with that certificate, which answers `{}`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    server.close()
    await server.wait_closed()


async def test_the_hospitals_own_ca_is_trusted_where_it_is_named(url: str, certificate: Path) -> None:
    """With `ca_file` a provider with a certificate of the hospital's CA is asked."""
    async with wire.client_for(str(certificate)) as client:
        assert (await wire.ask(client, "GET", url, "metadata")).json("metadata") == {}


async def test_an_untrusted_certificate_is_said(url: str) -> None:
    """Without it nothing is asked, and the message names the setting."""
    async with wire.client_for(None) as client:
        with pytest.raises(ProviderAway, match=r"sso\.ca_file"):
            await wire.ask(client, "GET", url, "metadata")


async def test_the_environment_sets_no_proxy(url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy variable left over in a service's environment does not send secrets through that proxy."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with wire.client_for(str(certificate)) as client:
        assert (await wire.ask(client, "GET", url, "metadata")).status == 200


async def test_an_answer_is_cut_off_at_its_limit(toy: ToyProvider) -> None:
    """OIDC-114: what is longer than the limit is given up, also when it would have been good JSON."""
    async with wire.client_for(None) as client:
        toy.replies["/x"] = Reply(body=b"{}", size=wire.LIMIT - 65536)
        assert (await wire.ask(client, "GET", f"{toy.issuer}/x", "metadata")).json("metadata") == {}
        toy.replies["/x"] = Reply(body=b"{}", size=wire.LIMIT)
        with pytest.raises(ProviderAway) as away:
            await wire.ask(client, "GET", f"{toy.issuer}/x", "metadata")
        assert away.value.reason == "provider-answer"


@pytest.mark.parametrize(
    ("status", "is_answer"),
    [(200, True), (400, True), (401, True), (404, True), (204, False), (302, False), (408, False), (429, False),
     (500, False), (503, False)],
)  # fmt: skip
async def test_only_some_statuses_are_answers(toy: ToyProvider, status: int, is_answer: bool) -> None:
    """200 and refusals are the provider speaking; everything else is the provider away, whatever the body says."""
    toy.replies["/x"] = Reply.json({"id_token": "x"}, status)
    async with wire.client_for(None) as client:
        asked = wire.ask(client, "GET", f"{toy.issuer}/x", "metadata")
        if is_answer:
            assert (await asked).status == status
        else:
            with pytest.raises(ProviderAway):
                await asked
