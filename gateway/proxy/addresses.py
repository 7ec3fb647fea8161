"""Which addresses a system may be reached at. Checked on what a name resolved to, at each connection (DNS rebinding)."""

from __future__ import annotations

import ipaddress

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Never a clinical system, whatever `networks` says: link-local (cloud metadata and its credentials), broadcast, and the metadata
# services of clouds that are not link-local.
_NEVER = tuple(
    ipaddress.ip_network(n)
    for n in (
        "169.254.0.0/16",
        "0.0.0.0/8",
        "255.255.255.255/32",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "fe80::/10",
        "fd00:ec2::254/128",
        "fd20:ce::254/128",
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def allowed(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether a resolved address may be connected to; no `networks`: any but those that never are."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = _inside(ip)
    if _never(ip) or (inner is not None and _never(inner)):
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped  # the same host by another spelling
    return not networks or any(ip in network for network in networks if network.version == ip.version)


def _never(ip: Address) -> bool:
    listed = any(ip in network for network in _NEVER if network.version == ip.version)
    return listed or ip.is_multicast or ip.is_unspecified


def _inside(ip: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to: mapped, compatible, 6to4 (RFC 3056), NAT64 (RFC 6052)."""
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if ip in _NAT64 or int(ip) >> 32 == 0:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if int(ip) > 1 else None
    return ip.ipv4_mapped or ip.sixtofour
