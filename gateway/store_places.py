"""Where Redis and PostgreSQL are: their addresses in the configuration, checked, and what in them is not safe."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_SENTINEL_PORT, _REDIS_PORT, _POSTGRES_PORT = 26379, 6379, 5432
_VERIFIED = frozenset({"verify-ca", "verify-full"})


@dataclass(frozen=True, slots=True)
class RedisPlace:
    """One server, or the sentinels that know where it is."""

    hosts: tuple[tuple[str, int], ...]
    tls: bool
    user: str = ""  # an ACL user; "": the default one
    database: int = 0
    master: str = ""  # what the sentinels call it; "": `hosts` is the one server

    @property
    def unsafe(self) -> bool:
        """Whether what goes there could be read or changed on the way."""
        return not self.tls and not all(_on_this_machine(host) for host, _ in self.hosts)


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """A PostgreSQL database, on one server or on several of which one is the primary; `tls` is libpq's `sslmode`."""

    hosts: tuple[tuple[str, int], ...]
    user: str
    database: str
    tls: str = ""
    ca_file: str = ""

    def __str__(self) -> str:
        return f"`{self.database}` at {','.join(f'{host}:{port}' for host, port in self.hosts)}"

    @property
    def unsafe(self) -> bool:
        return self.tls not in _VERIFIED and not all(_on_this_machine(host) for host, _ in self.hosts)


def redis_place(url: str) -> RedisPlace:
    """`redis://` and `redis+sentinel://h1,h2:26379,h3/NAME/0`, with `rediss` for TLS. Raises ValueError, which tells what to do."""
    parts = _parts(url, "redis_password")
    scheme, _, kind = parts.scheme.partition("+")
    if scheme not in ("redis", "rediss") or kind not in ("", "sentinel"):
        raise ValueError("write it as `rediss://user@host:6379/0`, or `rediss+sentinel://host1,host2,host3/NAME/0`")
    if parts.query or parts.fragment:
        raise ValueError("may not have a query or fragment")
    path = [part for part in parts.path.split("/") if part]
    master = path.pop(0) if kind and path else ""
    if kind and not master:
        raise ValueError("name what the sentinels call the server: `rediss+sentinel://host1,host2,host3/NAME/0`")
    if len(path) > 1 or not all(part.isdigit() for part in path):
        raise ValueError("its path is the number of the database, such as `/0`")
    hosts = tuple(_host(one, _SENTINEL_PORT if kind else _REDIS_PORT) for one in _places(parts).split(","))
    if len(hosts) > 1 and not kind:
        raise ValueError("names several servers: only sentinels may be several (`rediss+sentinel://`)")
    return RedisPlace(hosts, scheme == "rediss", _user(parts), int(path[0]) if path else 0, master)


def database_place(url: str) -> DatabasePlace:
    """`postgresql://user@host:5432,other:5432/database?sslmode=verify-full&sslrootcert=FILE`. Raises ValueError, which tells what to do."""
    parts = _parts(url, "database_password")
    if parts.scheme != "postgresql" or not _user(parts) or not parts.path.strip("/"):
        raise ValueError("write it as `postgresql://user@host:5432/database?sslmode=verify-full`")
    known = {"sslmode", "sslrootcert"}
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    if given.keys() - known:
        raise ValueError(f"`{min(given.keys() - known)}` is not known here: only `sslmode` and `sslrootcert` are")
    hosts = tuple(_host(one, _POSTGRES_PORT) for one in _places(parts).split(","))
    database = unquote(parts.path.strip("/"))
    return DatabasePlace(hosts, _user(parts), database, given.get("sslmode", ""), given.get("sslrootcert", ""))


def _parts(url: str, password: str) -> SplitResult:
    if any(not 0x20 < ord(c) < 0x7F for c in url):
        raise ValueError("an address may hold no blank or control character")
    parts = urlsplit(url)
    if ":" in parts.netloc.rpartition("@")[0]:
        raise ValueError(f"a password may not stand in the configuration: name it by `{password}`")
    return parts


def _places(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def _user(parts: SplitResult) -> str:
    return unquote(parts.netloc.rpartition("@")[0])


def _host(place: str, otherwise: int) -> tuple[str, int]:
    one = urlsplit(f"//{place}")
    try:
        port = one.port
    except ValueError:
        port = 0
    if not one.hostname or port == 0:
        raise ValueError(f"`{place}` is no host and port")
    return one.hostname, port or otherwise


def _on_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
