"""Cookies from raw bytes (RFC 6265, section 4.2.1): what is not spelt exactly is not ours.

Libraries trim bytes such as 0x85 from names and take the last of two: a sibling host could then shadow a `__Host-` cookie.
Here a name is compared as it came, and a name that comes twice is worth nothing.
"""

from __future__ import annotations

from connectors.messages import Headers

SESSION = b"__Host-lanyard"


def cookies(headers: Headers, name: bytes) -> list[bytes]:
    """Every value under exactly this name. None in a line of RFC 2965's old grammar, in which a quoted value may hold `;`."""
    found: list[bytes] = []
    for key, line in headers:
        if key == b"cookie" and not line.startswith(b"$"):
            for pair in line.split(b";"):
                own, equals, value = pair.partition(b"=")
                if equals and own.lstrip(b" ") == name:
                    found.append(value.rstrip(b" "))
    return found


def cookie(headers: Headers, name: bytes) -> bytes | None:
    """The one value under this name; None where there is none, or more than one."""
    found = cookies(headers, name)
    return found[0] if len(found) == 1 else None


def expired(name: bytes) -> tuple[bytes, bytes]:
    """A Set-Cookie that takes a `__Host-` cookie back, by name."""
    return b"set-cookie", name + b"=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"


def given(name: bytes, value: str, *, max_age: int | None = None) -> tuple[bytes, bytes]:
    """A Set-Cookie for a `__Host-` cookie: this host only, no script, gone with the browser unless `max_age` (seconds)."""
    life = f"; Max-Age={max_age}" if max_age is not None else ""
    return b"set-cookie", name + f"={value}; Path=/; Secure; HttpOnly; SameSite=Lax{life}".encode("ascii")
