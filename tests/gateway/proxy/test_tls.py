"""TLS to systems: the system's own authority and name, and never without verification."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.messages import UpstreamRequest
from gateway.errors import UpstreamUnavailable
from gateway.proxy.origin import Origin
from tests.gateway.proxy.scripted import Peer, transport, upstream

GET = UpstreamRequest("GET", b"/", ((b"host", b"pas"),))
YEAR = datetime.timedelta(days=365)


@dataclass
class Authority:
    """A hospital's own certificate authority, in a folder."""

    folder: Path

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hospital CA")])
        self.pem = self.folder / "ca.pem"
        own = self._begin(self.name, self.key, -YEAR, YEAR).add_extension(x509.BasicConstraints(True, None), True)
        own = own.add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)
        own = own.add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False)
        self.pem.write_bytes(own.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _begin(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, since: datetime.timedelta, until: datetime.timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(key.public_key())
        return (
            builder.serial_number(x509.random_serial_number())
            .not_valid_before(now + since)
            .not_valid_after(now + until)
        )

    def server(self, *names: str, until: datetime.timedelta = YEAR) -> ssl.SSLContext:
        """A server's context with a certificate for `names`."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = [
            x509.DNSName(n) if not n[0].isdigit() else x509.IPAddress(ipaddress.ip_address(n)) for n in names
        ]
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = self._begin(x509.Name([]), key, -2 * YEAR, until)
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), True).add_extension(
            identifier, False
        )
        file = self.folder / "server.pem"
        file.write_bytes(
            builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def origin(port: int, tls: ssl.SSLContext, sni: str = "") -> Origin:
    return Origin("https", "127.0.0.1", port, tls=tls, sni=sni, connect_timeout=1.0)


async def answers(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def test_a_system_is_known_by_its_own_authority_and_name(authority: Authority) -> None:
    """The name asked for (SNI) is the one verified, and the connection is kept like any other."""
    asked: list[str | None] = []
    server = authority.server("pas.internal")
    server.sni_callback = lambda sock, name, context: asked.append(name)
    trusted = ssl.create_default_context(cafile=authority.pem)
    async with upstream(answers, server) as up, transport() as t:
        system = origin(up.port, trusted, "pas.internal")
        for _ in range(3):
            assert (await t.send(system, GET)).body.whole == b"ok"
    assert asked == ["pas.internal"]
    assert len(up.peers) == 1


@pytest.mark.parametrize("case", ["another name", "UP-221 expired", "an unknown authority", "no TLS at all"])
async def test_a_system_that_cannot_prove_itself_gets_nothing(case: str, authority: Authority) -> None:
    """Nothing falls back to no verification; what happened is said, and that nothing was sent."""
    names, until = ["pas.internal"], YEAR
    trusted = ssl.create_default_context(cafile=authority.pem)
    if case == "another name":
        names = ["ris.internal"]
    elif case == "UP-221 expired":
        until = -datetime.timedelta(days=1)
    elif case == "an unknown authority":
        trusted = ssl.create_default_context()
    server = None if case == "no TLS at all" else authority.server(*names, until=until)
    async with upstream(answers, server) as up, transport() as t:
        with pytest.raises(UpstreamUnavailable) as told:
            await t.send(origin(up.port, trusted, "pas.internal"), GET)
    assert not told.value.sent
    assert all(b"GET" not in peer.received for peer in up.peers)


def test_verification_cannot_be_switched_off() -> None:
    """An origin with a context that does not verify, or https without one, does not come to be."""
    lax = ssl.create_default_context()
    lax.check_hostname = False
    nameless = ssl.create_default_context()
    nameless.check_hostname = False
    nameless.verify_mode = ssl.CERT_NONE
    for tls in (lax, nameless, None):
        with pytest.raises(ValueError, match=r"verified|TLS"):
            Origin("https", "pas.internal", 443, tls=tls)
    with pytest.raises(ValueError, match="TLS"):
        Origin("http", "pas.internal", 80, tls=ssl.create_default_context())
