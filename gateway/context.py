"""Where a request comes from and on what: the client's address, its network zone, its kind of device.

The address is the last one that no trusted proxy vouches for. The zone is the only early fact about a device; its class is a hint.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from connectors.messages import Headers
from policies.model import Device, Ownership, Posture
from sso.device import Certificate
from sso.errors import DeviceRefused

from .config import Config
from .device_class import device_class

UNKNOWN = "unknown"  # an address that cannot be told (RFC 7239, section 6.2); it lies in no zone
# As nginx, HAProxy and Apache are told to write them (docs/devices.md); no browser's own ever goes on to a system.
_VERIFIED, _ISSUER, _SUBJECT = b"x-ssl-client-verify", b"x-ssl-client-i-dn", b"x-ssl-client-s-dn"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Zone:
    name: str
    networks: tuple[Network, ...]
    posture: Posture
    idle: float | None  # seconds; None: by the device's ownership


class Surroundings:
    """What the configuration says about networks and idle times."""

    def __init__(self, config: Config) -> None:
        self._trusted = tuple(ipaddress.ip_network(n) for n in config.gateway.trusted_proxies)
        self._zones = [
            Zone(z.name, tuple(ipaddress.ip_network(c) for c in z.cidrs), Posture(z.posture), z.idle)
            for z in config.zones
        ]
        self._idle = config.shift.idle

    def source(self, peer: str, headers: Headers) -> str:
        """The client's address: the peer, or behind trusted proxies the last address that none of them wrote."""
        if not self._trusted or not self._is_trusted(peer):
            return peer
        chain = [
            part.strip()
            for name, value in headers
            if name == b"x-forwarded-for"
            for part in value.decode("latin-1").split(",")
        ]
        for hop in reversed(chain):
            address = _address(_without_port(hop))
            if address is None:
                return UNKNOWN  # not the proxy's own address, which may well lie in an on-site zone
            if not self._is_trusted(str(address)):
                return str(address)
        return peer

    def zone(self, source: str) -> Zone | None:
        """The zone with the longest matching prefix; None outside all."""
        ip = _address(source)
        if ip is None:
            return None
        best: tuple[int, Zone] | None = None
        for zone in self._zones:
            for network in zone.networks:
                if network.version == ip.version and ip in network and (best is None or network.prefixlen > best[0]):
                    best = (network.prefixlen, zone)
        return best[1] if best else None

    def device(self, source: str, headers: Headers) -> Device:
        """What is known of a device before it is enrolled. An unknown device on site is treated as a shared PC."""
        zone = self.zone(source)
        posture = zone.posture if zone else Posture.OFF_SITE
        ownership = Ownership.SHARED if posture is Posture.ON_SITE else Ownership.UNKNOWN
        name = zone.name if zone else ""
        return Device("", "", device_class(headers), ownership, zone=name, posture=posture)

    def idle(self, source: str, ownership: Ownership) -> float:
        """Seconds: the zone's own, else the ownership's."""
        zone = self.zone(source)
        return float(zone.idle if zone and zone.idle is not None else getattr(self._idle, ownership.value))

    def certificate(self, peer: str, headers: Headers) -> Certificate | None:
        """The client certificate that a trusted proxy has verified; None for anybody else's word, and for a doubtful one.

        A header that stands twice is doubtful: one of the two may be the browser's.
        """
        if not self._trusted or not self._is_trusted(peer):
            return None
        found: dict[bytes, list[bytes]] = {name: [] for name in (_VERIFIED, _ISSUER, _SUBJECT)}
        for name, value in headers:
            if name in found:
                found[name].append(value)
        if found[_VERIFIED] != [b"SUCCESS"] or any(len(values) != 1 for values in found.values()):
            return None
        try:
            return Certificate.named(found[_ISSUER][0].decode(), found[_SUBJECT][0].decode())
        except (UnicodeDecodeError, DeviceRefused):
            return None

    def _is_trusted(self, address: str) -> bool:
        ip = _address(address)
        return ip is not None and any(ip in n for n in self._trusted if n.version == ip.version)


def _without_port(hop: str) -> str:
    """Some proxies write `203.0.113.9:52114` or `[2001:db8::9]:52114`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _address(text: str) -> Address | None:
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return ip
