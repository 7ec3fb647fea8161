"""A kiosk that keeps nothing and runs no script: known by its client certificate, through a real nginx that verifies it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from playwright.sync_api import Browser, Page, expect

from demo.ports import free_port
from tests.counterparts.processes import missing, started

from .certificate import certificate
from .desk import passes
from .hospital import Hospital, hospital

pytestmark = pytest.mark.browser

# As docs/devices.md has it.
CONFIGURATION = """
daemon off; master_process off; pid {root}/pid; error_log {root}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {root}; proxy_temp_path {root}; fastcgi_temp_path {root}; uwsgi_temp_path {root};
  scgi_temp_path {root};
  server {{ listen 127.0.0.1:{plain}; return 204; }}
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {cert}; ssl_certificate_key {key};
    ssl_client_certificate {ca};
    ssl_verify_client optional;
    location / {{
      proxy_set_header Host $http_host;
      proxy_set_header X-SSL-Client-Verify $ssl_client_verify;
      proxy_set_header X-SSL-Client-I-DN $ssl_client_i_dn;
      proxy_set_header X-SSL-Client-S-DN $ssl_client_s_dn;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_pass http://127.0.0.1:{gateway};
    }}
  }}
}}
"""
KIOSK = "theatre-2-kiosk"
FORGED = {
    "x-ssl-client-verify": "SUCCESS",
    "x-ssl-client-i-dn": "CN=Device CA,O=Example Trust",
    "x-ssl-client-s-dn": f"CN={KIOSK},O=Example Trust",
}


class Authority:
    """The CA of a hospital's devices, and what it has issued."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = named("Device CA")
        self.path = folder / "device-ca.pem"
        self.path.write_bytes(self._signed(self._name, self._key, ca=True).public_bytes(serialization.Encoding.PEM))

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
        made = made.not_valid_after(now + timedelta(days=1))
        return made.add_extension(x509.BasicConstraints(ca=ca, path_length=None), True).sign(self._key, hashes.SHA256())

    def issue(self, common_name: str) -> tuple[Path, Path]:
        """Files with the certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        cert, secret = self._folder / f"{common_name}.crt", self._folder / f"{common_name}.key"
        cert.write_bytes(self._signed(named(common_name), key, ca=False).public_bytes(serialization.Encoding.PEM))
        pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, plain))
        return cert, secret


def named(common_name: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example Trust")
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass
class Theatre:
    place: Hospital
    authority: Authority
    chromium: Browser

    def window(self, certificate: tuple[Path, Path] | None, **headers: str) -> Page:
        """A browser without scripts, with or without a certificate of its own."""
        shown = (
            [{"origin": self.place.url, "certPath": str(certificate[0]), "keyPath": str(certificate[1])}]
            if certificate
            else []
        )
        context = self.chromium.new_context(
            ignore_https_errors=True,
            java_script_enabled=False,
            client_certificates=shown,  # type: ignore[arg-type,unused-ignore]  # a dictionary is what it takes
            extra_http_headers=headers,
        )
        return context.new_page()

    def sign_on(self, page: Page) -> None:
        page.goto(f"{self.place.url}/sign-on")
        page.get_by_role("button", name="Sign on").click()
        passes(page, "n.okoye", otp="")
        page.wait_for_url(f"{self.place.url}/")

    def seated_on(self) -> str:
        return str(self.place.events(type="session.seated")[-1]["device_id"])


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Theatre]:
    if shutil.which("nginx") is None:
        missing("nginx", command="nginx")
    folder = tmp_path_factory.mktemp("kiosk")
    port, plain = free_port(), free_port()
    public = f"https://localhost:{port}"  # Playwright shows a certificate by way of node, which knows no `*.localhost`
    front = {"public_url": public, "trusted_proxies": ["127.0.0.1/32"]}
    known = {"redirect_uris": [f"{public}/sign-on/callback"]}
    with hospital(folder, [], registered=known, gateway=front) as place:
        authority = Authority(folder)
        cert, key = certificate(folder)
        root = folder / "nginx"
        root.mkdir()
        settings = root / "nginx.conf"
        settings.write_text(
            CONFIGURATION.format(
                root=root, port=port, plain=plain, cert=cert, key=key, ca=authority.path, gateway=place.port
            )
        )
        command = ["nginx", "-p", str(root), "-e", str(root / "error.log"), "-c", str(settings)]
        with started(command, ready=f"http://127.0.0.1:{plain}/", cwd=root):
            yield Theatre(place, authority, chromium)


def test_a_kiosk_is_known_by_its_certificate_until_it_is_revoked(theatre: Theatre) -> None:
    """Enrolled by its two names, seated as that device without a script or a key, and refused once it is out of use."""
    enrolled = theatre.place.lanyard(
        "device", "enrol", "--name", "Theatre 2 kiosk", "--ward", "Theatres", "--ownership", "shared", "--managed",
        "--certificate-issuer", "CN=Device CA,O=Example Trust", "--certificate-subject", f"CN={KIOSK},O=Example Trust",
    )  # fmt: skip
    assert enrolled.returncode == 0, enrolled.stderr
    device = json.loads(theatre.place.lanyard("device", "list", "--json").stdout)["id"]
    shown = theatre.authority.issue(KIOSK)

    page = theatre.window(shown)
    theatre.sign_on(page)
    assert theatre.seated_on() == device
    page.goto(f"{theatre.place.url}/shift")
    expect(page.locator("main")).to_contain_text("Theatre 2 kiosk")

    theatre.sign_on(theatre.window(theatre.authority.issue("theatre-3-kiosk")))
    assert theatre.seated_on() == "", "another device of the same authority"
    theatre.sign_on(theatre.window(None, **FORGED))
    assert theatre.seated_on() == "", "a browser that writes the proxy's headers itself"

    assert "sessions ended: 1" in theatre.place.lanyard("device", "revoke", device).stdout
    page = theatre.window(shown)
    page.goto(f"{theatre.place.url}/sign-on")
    page.get_by_role("button", name="Sign on").click()
    expect(page.locator("dl")).to_contain_text("device-revoked")
