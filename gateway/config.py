"""`lanyard.toml` into one checked value.

One TOML file; every key outside `[[systems]]` and `[[zones]]` also from the environment (`LANYARD_SSO__ISSUER`);
secrets only by reference (`{ file = … }`, `{ env = … }`); unknown keys are refused with the nearest known one; unsafe
settings begin with `insecure_`. Every problem is reported at once, with file and key.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from .errors import ConfigError
from .store_places import database_place, redis_place

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def _seconds(value: object) -> float:
    match = re.fullmatch(r"(\d+)(ms|s|m|h|d)", value) if isinstance(value, str) else None
    if not match:
        raise ValueError("write a duration such as `30s`, `5m` or `12h`")
    return int(match[1]) * _UNITS[match[2]]


def _bytes(value: object) -> int:
    match = re.fullmatch(r"(\d+) ?(B|KiB|MiB|GiB)", value) if isinstance(value, str) else None
    if not match:
        raise ValueError("write a size such as `64KiB` or `8MiB`")
    return int(match[1]) * _SIZES[match[2]]


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise ValueError(f"`{value}` is no network: write it as `10.20.0.0/16`, host bits zero") from None
    return value


def _proxy(value: str) -> str:
    network = _network(value)
    if ipaddress.ip_network(network).prefixlen < 8:
        raise ValueError(f"`{value}` would trust the whole internet: name the load balancers' own addresses")
    return network


# Ports on which no clinical web system listens, and where a request could do harm.
_NO_WEB_PORTS = frozenset(
    {0, 7, 19, 21, 22, 23, 25, 53, 110, 143, 389, 445, 465, 587, 636, 3306, 5432, 6379, 11211, 27017}
)


def _origin(value: str) -> str:
    if "\\" in value or any(not 0x20 < ord(c) < 0x7F for c in value):
        raise ValueError("an address may hold no backslash, blank or control character")
    parts = urlsplit(value)
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"`{value}` has no valid port") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"`{value}` is no address: write it as `https://host` or `https://host:port`")
    if parts.username or parts.password:
        raise ValueError("an address may not carry a user name or password")
    if parts.query or parts.fragment:
        raise ValueError(f"`{value}` may not have a query or fragment")
    if port in _NO_WEB_PORTS:
        raise ValueError(f"port {port} is no web server's: correct the address")
    return value.rstrip("/")


def _endpoint(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) < 65536:
        raise ValueError(f"`{value}` is no listening address: write it as `127.0.0.1:8080`")
    return value


def _guarded(value: str) -> str:
    if value != "on" and not (value.startswith("off: ") and value[5:].strip()):
        raise ValueError("write `on`, or `off: ` and the reason, which whoever reviews this will read")
    return value


def _redis(value: str) -> str:
    redis_place(value)
    return value


def _database(value: str) -> str:
    database_place(value)
    return value


Seconds = Annotated[float, BeforeValidator(_seconds)]
Size = Annotated[int, BeforeValidator(_bytes)]
Network = Annotated[str, AfterValidator(_network)]
TrustedProxy = Annotated[str, AfterValidator(_proxy)]
Origin = Annotated[str, AfterValidator(_origin)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
RedisUrl = Annotated[str, AfterValidator(_redis)]
DatabaseUrl = Annotated[str, AfterValidator(_database)]
Guarded = Annotated[str, AfterValidator(_guarded)]
MailAddress = Annotated[str, Field(pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}$")]
Name = Annotated[str, Field(pattern=r"^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class SecretRef(_Table):
    """A secret by reference: exactly one of a file or an environment variable."""

    file: str | None = None
    env: str | None = None

    @model_validator(mode="after")
    def _one(self) -> SecretRef:
        if (self.file is None) == (self.env is None):
            raise ValueError("name the secret by `{ file = … }` or `{ env = … }`, one of them")
        return self

    def read(self) -> bytes:
        """The secret, without a trailing line end. Raises ConfigError naming the reference, never the value."""
        if self.env is not None:
            value = os.environ.get(self.env)
            if not value:
                raise ConfigError([f"the environment variable `{self.env}` is not set: it should hold a secret"])
            return value.encode()
        assert self.file is not None
        try:
            data = Path(self.file).read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise ConfigError([f"the secret file `{self.file}` cannot be read: {error.strerror}"]) from None
        if not data:
            raise ConfigError([f"the secret file `{self.file}` is empty"])
        return data


def _secret(value: object) -> object:
    if isinstance(value, str):
        raise ValueError("a secret may not stand in the configuration: write `{ file = … }` or `{ env = … }`")
    return value


Secret = Annotated[SecretRef, BeforeValidator(_secret)]


class GatewayTable(_Table):
    public_url: Origin
    name: Name = "gateway"
    workers: int = Field(default=1, ge=1, le=64)
    listen: Endpoint = "127.0.0.1:8080"
    ops_listen: Endpoint = "127.0.0.1:9090"
    trusted_proxies: list[TrustedProxy] = []
    data_dir: str
    database_url: DatabaseUrl | None = None
    database_password: Secret | None = None
    insecure_database: bool = False
    redis_url: RedisUrl | None = None
    redis_password: Secret | None = None
    sentinel_password: Secret | None = None
    redis_ca_file: str | None = None
    insecure_redis: bool = False
    tls_cert: str | None = None
    tls_key: str | None = None
    drain: Seconds = 25.0
    insecure_http: bool = False

    @model_validator(mode="after")
    def _safe(self) -> GatewayTable:
        url = urlsplit(self.public_url)
        if url.path:
            raise ValueError("`public_url` is an origin: leave its path out")
        local = (url.hostname or "") == "localhost" or (url.hostname or "").endswith(".localhost")
        if url.scheme == "http" and not local and not self.insecure_http:
            raise ValueError("`public_url` must be https (browsers keep no safe cookie otherwise), or *.localhost")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("`tls_cert` and `tls_key` go together")
        return self

    @model_validator(mode="after")
    def _stores(self) -> GatewayTable:
        if self.redis_url is not None:
            if self.database_url is None:
                raise ValueError("`redis_url` needs `database_url` beside it: what must last is kept there")
            if redis_place(self.redis_url).unsafe and not self.insecure_redis:
                raise ValueError(
                    "`redis_url` would cross the network in plain text: write `rediss://` (or `rediss+sentinel://`)"
                )
            if self.redis_password is None and not self.insecure_redis:
                raise ValueError(
                    "`redis_url` has no `redis_password`: whoever reaches the server could end every shift"
                )
        if self.database_url is not None and database_place(self.database_url).unsafe and not self.insecure_database:
            raise ValueError("`database_url` does not verify the server: add `?sslmode=verify-full`")
        return self


class KeysTable(_Table):
    seal: Secret
    journal: Secret
    vault: Secret | None = None  # None: `seal`


class ClaimsTable(_Table):
    id: str | None = None
    name: str | None = None
    roles: str | None = None
    organisation: str | None = None
    assurance: str | None = None


class SsoTable(_Table):
    issuer: Annotated[str, AfterValidator(lambda v: (_origin(v), v)[1])]
    client_id: str
    client_secret: Secret | None = None
    client_key: Secret | None = None
    client_auth: Literal["client_secret_basic", "client_secret_post", "private_key_jwt"] | None = None
    client_alg: Literal["RS256", "RS512", "ES256", "PS256"] | None = None
    scopes: list[str] | None = None
    acr_values: list[str] = []
    step_up_acr_values: list[str] = []
    ca_file: str | None = None
    endpoint_hosts: list[str] = []
    id_token_alg: Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"] | None = None
    preset: Literal["generic", "keycloak", "entra", "imprivata", "cis2"] = "generic"
    claims: ClaimsTable = ClaimsTable()
    roles: dict[str, str] = {}
    minimum_assurance: int = Field(default=1, ge=1, le=3)
    recheck: Seconds = 300.0
    insecure_issuer: bool = False

    @model_validator(mode="after")
    def _usable(self) -> SsoTable:
        if (self.client_secret is None) == (self.client_key is None):
            raise ValueError("give exactly one of `client_secret` and `client_key`")
        url = urlsplit(self.issuer)
        local = url.hostname in ("127.0.0.1", "localhost", "::1") or (url.hostname or "").endswith(".localhost")
        if url.scheme != "https" and not local and not self.insecure_issuer:
            raise ValueError("`issuer` must be https: over http anybody on the way can sign anyone on")
        return self


class IdleTable(_Table):
    shared: Seconds = 300.0
    issued: Seconds = 900.0
    personal: Seconds = 300.0
    unknown: Seconds = 300.0


class ShiftTable(_Table):
    longest: Annotated[Seconds, Field(le=14 * 3600)] = 12 * 3600.0
    extended: Annotated[Seconds, Field(le=14 * 3600)] = 14 * 3600.0
    grace: Seconds | None = None
    locked: Seconds = 4 * 3600.0
    step_up: Annotated[Seconds, Field(ge=60, le=12 * 3600)] = 15 * 60.0
    idle: IdleTable = IdleTable()


class EmergencyTable(_Table):
    enabled: bool = True
    known_within: Annotated[Seconds, Field(ge=3600, le=31 * 86400)] = 7 * 86400.0
    vouched_within: Annotated[Seconds, Field(ge=3600, le=92 * 86400)] = 31 * 86400.0
    lasts: Annotated[Seconds, Field(ge=60, le=2 * 3600)] = 2 * 3600.0


class DevicesTable(_Table):
    mode: Literal["observe", "enforce"] = "observe"
    approve_personal: bool = True


class BadgesTable(_Table):
    enabled: bool = False
    prefix: str = Field(default="", max_length=8)
    suffix: str = Field(default="", max_length=8)


class ZoneTable(_Table):
    name: Name
    cidrs: Annotated[list[Network], Field(min_length=1)]
    idle: Seconds | None = None
    posture: Literal["on-site", "off-site"]


class PoliciesTable(_Table):
    path: str | None = None  # None: the bundled policies


class AuditTable(_Table):
    reserve: Size = 1024**3
    segment: Size = 64 * 1024**2
    ack: Literal["local", "local+central"] = "local"


class AlarmsTable(_Table):
    mail_to: list[MailAddress] = []
    mail_from: MailAddress | None = None
    mail_server: Endpoint | None = None
    mail_tls: Literal["starttls", "tls"] = "starttls"
    mail_user: str | None = None
    mail_password: Secret | None = None
    mail_ca_file: str | None = None
    webhook_url: Origin | None = None
    webhook_key: Secret | None = None
    webhook_ca_file: str | None = None
    repeat_after: Annotated[Seconds, Field(ge=60)] = 3600.0
    minimum: Literal["warning", "critical"] = "warning"

    @model_validator(mode="after")
    def _whole(self) -> AlarmsTable:
        if len({bool(self.mail_to), self.mail_from is not None, self.mail_server is not None}) > 1:
            raise ValueError("`mail_to`, `mail_from` and `mail_server` go together")
        if (self.mail_user is None) != (self.mail_password is None):
            raise ValueError("`mail_user` and `mail_password` go together")
        if (self.webhook_url is None) != (self.webhook_key is None):
            raise ValueError("`webhook_url` and `webhook_key` go together: what is not signed could be anybody's")
        if self.webhook_url is not None:
            url = urlsplit(self.webhook_url)
            if url.scheme != "https" and url.hostname not in ("127.0.0.1", "localhost", "::1"):
                raise ValueError("`webhook_url` must be https")
        return self


class SystemTable(_Table):
    name: Name
    title: str
    connector: str
    upstream: Origin = ""  # of a brokered system; the others have an address among their options
    networks: list[Network] = []
    mount: Literal["host", "path"] = "host"
    host: str | None = None
    host_header: Literal["upstream", "public"] = "upstream"
    share: Literal["session", "shift", "one_per_clinician"] | None = None
    credentials: str | None = None
    insecure_shared_credentials: bool = False
    ca_file: str | None = None
    sni: str | None = None
    opened_from: list[Name] = []
    helpdesk: str = ""
    notice: str = Field(default="", max_length=200)
    direct: str = ""
    procedure: str = ""
    start: str = Field(default="/", pattern=r"^/[!-~]*$")
    guard: Guarded = "on"
    hold: Size = 8 * 1024**2
    timeout: Seconds = 30.0
    connect_timeout: Seconds = 5.0
    concurrency: int = Field(default=64, ge=1, le=1024)
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _reachable(self) -> SystemTable:
        host = urlsplit(self.upstream).hostname or ""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            if re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)", host.rpartition(".")[2], re.IGNORECASE):
                raise ValueError(
                    f"`upstream` names the odd address `{host}`: write a name or a plain address"
                ) from None
            return self
        if address.is_link_local or address.is_multicast or address.is_unspecified:
            raise ValueError(
                f"`upstream` may not be `{host}`: link-local and cloud metadata are never a clinical system"
            )
        return self


class Config(_Table):
    gateway: GatewayTable
    keys: KeysTable
    sso: SsoTable
    shift: ShiftTable = ShiftTable()
    emergency: EmergencyTable = EmergencyTable()
    devices: DevicesTable = DevicesTable()
    badges: BadgesTable = BadgesTable()
    zones: list[ZoneTable] = []
    policies: PoliciesTable = PoliciesTable()
    audit: AuditTable = AuditTable()
    alarms: AlarmsTable = AlarmsTable()
    systems: list[SystemTable] = []

    @model_validator(mode="after")
    def _distinct(self) -> Config:
        if self.audit.ack == "local+central" and self.gateway.database_url is None:
            raise ValueError("`audit.ack` waits for a central journal: it needs `gateway.database_url`")
        for what, names in (("systems", [s.name for s in self.systems]), ("zones", [z.name for z in self.zones])):
            for name in {n for n in names if names.count(n) > 1}:
                raise ValueError(f"two `[[{what}]]` are called `{name}`")
        if "api" in {s.name for s in self.systems if s.mount == "host" and s.host is None}:
            raise ValueError("a system called `api` would take the host of all path-mounted systems: rename it")
        ours = {_listens(self.gateway.listen), _listens(self.gateway.ops_listen)}
        for system in self.systems:
            if _listens(urlsplit(system.upstream).netloc) in ours:
                raise ValueError(f"`systems.{system.name}.upstream` is the gateway itself")
        hosts = [self.host_of(s) for s in self.systems if s.mount == "host"]
        for host in {h for h in hosts if hosts.count(h) > 1 or h == self.public_host}:
            raise ValueError(f"two systems, or a system and the gateway itself, would share the host `{host}`")
        return self

    @property
    def public_host(self) -> str:
        """Host and port of the main origin, as browsers send it."""
        return urlsplit(self.gateway.public_url).netloc.lower()

    @property
    def scheme(self) -> str:
        return urlsplit(self.gateway.public_url).scheme

    @property
    def api_host(self) -> str:
        return f"api.{self.public_host}"

    def host_of(self, system: SystemTable) -> str:
        """Host (and port) of a host-mounted system, or of the API host."""
        if system.mount == "path":
            return self.api_host
        return (system.host or f"{system.name}.{self.public_host}").lower()


def _listens(address: str) -> tuple[str, str]:
    host, _, port = address.rpartition(":")
    # compared with, never listened on
    return ("loopback" if host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::]") else host, port)  # noqa: S104


def load(path: str | Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read, check, and return. Raises ConfigError with every problem found."""
    return read(text_of(path), path, environ)


def text_of(path: str | Path) -> str:
    """The file as it is. Raises ConfigError."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}: name your file with `--config`"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not valid TOML: {error}"]) from None


def read(text: str, path: str | Path, environ: Mapping[str, str] | None = None) -> Config:
    """The text of the file at `path`, checked. Raises ConfigError with every problem found."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: is not valid TOML: {error}"]) from None
    problems = list(_overlay(raw, os.environ if environ is None else environ))
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        problems += [f"{path}: {_sentence(item)}" for item in error.errors(include_url=False, include_input=False)]
    if problems:
        raise ConfigError(problems)
    return config


def _overlay(raw: dict[str, Any], environ: Mapping[str, str]) -> Iterator[str]:
    """Lay `LANYARD_*` over the file; yields a problem for each that names no setting."""
    for variable, text in sorted(environ.items()):
        if not variable.startswith("LANYARD_") or variable in _OURS:
            continue
        keys = variable.removeprefix("LANYARD_").lower().split("__")
        if keys[0] in ("systems", "zones") or not _known(Config, keys):
            yield f"the environment variable `{variable}` names no setting{_nearest(variable, _variables())}"
            continue
        table = raw
        for key in keys[:-1]:
            table = table.setdefault(key, {})
        table[keys[-1]] = _literal(text)


# Variables that our own configuration files may name as secrets, or that tests use, are no settings.
_OURS = frozenset({"LANYARD_REAL_DATA"})


def _literal(text: str) -> Any:
    """TOML where it is TOML (numbers, lists, tables, true), else the text itself."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def _tables(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel] | None]]:
    for name, info in model.model_fields.items():
        annotation = info.annotation
        candidates = [annotation, *get_args(annotation)]
        table = next((c for c in candidates if isinstance(c, type) and issubclass(c, _Table)), None)
        yield name, table


def _known(model: type[BaseModel], keys: list[str]) -> bool:
    fields = dict(_tables(model))
    if keys[0] not in fields:
        return False
    table = fields[keys[0]]
    if len(keys) == 1:
        return table is None or table is SecretRef
    if table is None:
        return model is SsoTable and keys[0] == "roles" and len(keys) == 2
    return _known(table, keys[1:])


def placed(problem: str, path: str) -> str:
    """With the configuration's file before a problem that begins with one of its keys; some commands read none."""
    table = problem.partition(":")[0].partition(".")[0]
    return f"{path}: {problem}" if path and table in Config.model_fields else problem


def settings(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[str]:
    """Every setting's dotted name, for documentation and its test."""
    for name, table in _tables(model):
        if table is None or table is SecretRef:
            yield prefix + name
        else:
            yield from settings(table, f"{prefix}{name}.")


def _variables() -> list[str]:
    return ["LANYARD_" + s.upper().replace(".", "__") for s in settings() if not s.startswith(("systems", "zones"))]


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f": did you mean `{close[0]}`?" if close else ""


def _sentence(item: Any) -> str:
    """One pydantic error as: key, what is wrong, what to do."""
    where = ".".join(str(part) for part in item["loc"] if not str(part).startswith("function-"))
    if item["type"] == "extra_forbidden":
        parents, _, key = where.rpartition(".")
        plain = re.sub(r"\.\d+", "", parents)
        known = [s.removeprefix(f"{plain}.") for s in settings() if not plain or s.startswith(f"{plain}.")]
        return f"`{where}` is no setting{_nearest(key, [k.split('.')[0] for k in known])}"
    if item["type"] == "missing":
        return f"`{where}` is missing"
    message = item["msg"].removeprefix("Value error, ")
    return f"`{where}`: {message}" if where else message
