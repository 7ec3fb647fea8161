"""Plain bytes into a sealed string under the operator's keys, and back.

Authenticated encryption (AES-256-GCM, NIST SP 800-38D) for whatever is kept or leaves and comes back: shifts, upstream
sessions, credentials, paging tokens. A sealed value is `<key id>.<base64url of nonce, ciphertext and tag>`, or the same in
bytes where room is dear: four of the key id, then the rest. The first key seals, all of them open, so that a new key is put
in front and the old one stays until nothing is sealed under it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_ID_BYTES = 4
_NONCE_BYTES = 12
_TAG_BYTES = 16
# One answer for every way in which a value may be wrong: nobody learns which by asking.
_NOT_OURS = "the sealed value is not ours, was changed, or was made for another purpose"


class SealError(ValueError):
    """A sealed value does not open. The message is constant."""


def new_key() -> str:
    """A fresh key as one line of a key file: 32 random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def read_keys(data: bytes) -> list[bytes]:
    """The keys of a key file: 32 bytes in base64 a line, the sealing key first; `#` begins a comment.

    Raises ValueError, naming the line and never its content.
    """
    keys: list[bytes] = []
    for number, line in enumerate(data.splitlines(), start=1):
        text = line.partition(b"#")[0].strip()
        if text:
            keys.append(_key(text, number))
    if not keys:
        raise ValueError("there is no key in the key file: make one with `lanyard key new`")
    return keys


def _key(text: bytes, number: int) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"line `{number}` of the key file is not 32 bytes in base64: make one with `lanyard key new`")
    return key


def key_id(key: bytes) -> str:
    """What names a key without telling it: eight hexadecimal digits."""
    return hashlib.sha256(b"lanyard key id\0" + key).hexdigest()[:8]


class Seal:
    """Seals under the first key, opens under all. Cheap (a few microseconds for 1 kB) and safe to share.

    Random 96-bit nonces: rotate a key before 2**32 values are sealed under it (NIST SP 800-38D, section 8.3).
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError("a seal needs at least one key, each of 32 bytes: make one with `lanyard key new`")
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}
        if len(self._ciphers) != len(keys):
            raise ValueError("the same key stands twice in the key file: remove one of the two lines")
        self._current = key_id(keys[0])
        self._marking = [hmac.digest(key, b"lanyard mark", "sha256") for key in keys]

    @classmethod
    def of(cls, data: bytes) -> Seal:
        """From the content of a key file. Raises ValueError."""
        return cls(read_keys(data))

    @property
    def current(self) -> str:
        """The id of the key that seals."""
        return self._current

    def seal(self, plain: bytes, *, purpose: str) -> str:
        """The sealed form, URL-safe. It opens only for the same purpose."""
        return f"{self._current}.{base64.urlsafe_b64encode(self._sealed(plain, purpose)).rstrip(b'=').decode()}"

    def unseal(self, token: str, *, purpose: str) -> bytes:
        """The plain bytes. Raises SealError when the token is not ours, was changed, or is for another purpose."""
        name, _, text = token.partition(".")
        return self._opened(name, _decoded(text), purpose)

    def seal_bytes(self, plain: bytes, *, purpose: str) -> bytes:
        """The same in a quarter less room."""
        return bytes.fromhex(self._current) + self._sealed(plain, purpose)

    def unseal_bytes(self, sealed: bytes, *, purpose: str) -> bytes:
        """What `seal_bytes` sealed. Raises SealError."""
        return self._opened(sealed[:_ID_BYTES].hex(), sealed[_ID_BYTES:], purpose)

    def _sealed(self, plain: bytes, purpose: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._ciphers[self._current].encrypt(nonce, plain, _bound(self._current, purpose))

    def _opened(self, name: str, sealed: bytes, purpose: str) -> bytes:
        cipher = self._ciphers.get(name)
        if cipher is None or len(sealed) < _NONCE_BYTES + _TAG_BYTES:
            raise SealError(_NOT_OURS)
        try:
            return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(name, purpose))
        except InvalidTag:
            raise SealError(_NOT_OURS) from None

    def marks(self, text: str, *, purpose: str) -> list[str]:
        """What a text is found by that is kept nowhere: a keyed hash, by the first key and by each of the older ones."""
        return [hmac.digest(key, f"{purpose}\0{text}".encode(), "sha256").hex() for key in self._marking]

    def is_current(self, token: str) -> bool:
        """Whether the value was sealed under the first key: if not, rotation seals it again."""
        return token.partition(".")[0] == self._current


def _bound(name: str, purpose: str) -> bytes:
    """Additional data: a value moved to another purpose, or renamed to another key, does not open."""
    return f"{name}\0{purpose}".encode()


def _decoded(text: str) -> bytes:
    """Empty when it is not exactly what `seal` writes: one value has one spelling."""
    try:
        plain = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return b""
    return plain if base64.urlsafe_b64encode(plain).rstrip(b"=").decode() == text else b""
