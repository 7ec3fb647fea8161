"""A hospital's own certificate authority, for a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CA = "ca.crt"


class Authority:
    """Its own certificate is `ca.crt` in `folder`, and so is whatever it issues."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Trust CA")])
        constraint = x509.BasicConstraints(ca=True, path_length=0)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        made = self._begun(self._name, self._key).add_extension(constraint, True).add_extension(usage, True)
        self._write(CA, made)

    def issue(self, name: str, *names: str) -> None:
        """`name.crt` and `name.key`, for these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        known = x509.SubjectAlternativeName([x509.DNSName(one) for one in names])
        self._write(f"{name}.crt", self._begun(subject, key).add_extension(known, False))
        kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (self._folder / f"{name}.key").write_bytes(key.private_bytes(*kind))

    def _begun(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )

    def _write(self, name: str, begun: x509.CertificateBuilder) -> None:
        signed = begun.sign(self._key, hashes.SHA256())
        (self._folder / name).write_bytes(signed.public_bytes(serialization.Encoding.PEM))
