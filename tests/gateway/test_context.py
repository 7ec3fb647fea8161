"""Where a request comes from and on what: believed from trusted proxies only."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.messages import Headers
from gateway.config import Config
from gateway.context import UNKNOWN, Surroundings
from policies.model import DeviceClass, Ownership, Posture
from sso.device import Certificate

PROXY, PEER = "10.0.0.5", "198.51.100.7"


def surroundings(**tables: Any) -> Surroundings:
    """A proxy inside the hospital's own network, a ward in it, and a clinic with another idle time."""
    base: dict[str, Any] = {
        "gateway": {
            "public_url": "https://records.example.nhs.uk",
            "data_dir": "/var/lib/lanyard",
            "trusted_proxies": ["10.0.0.4/31", "2001:db8:5::/64"],
        },
        "keys": {"seal": {"file": "/seal"}, "journal": {"file": "/journal"}},
        "sso": {"issuer": "https://login.example", "client_id": "c", "client_secret": {"file": "/secret"}},
        "shift": {"idle": {"shared": "5m", "unknown": "2m"}},
        "zones": [
            {"name": "site", "cidrs": ["10.0.0.0/8", "2001:db8::/32"], "posture": "on-site"},
            {"name": "clinic", "cidrs": ["10.20.0.0/16"], "posture": "on-site", "idle": "10m"},
            {"name": "vpn", "cidrs": ["10.20.30.0/24"], "posture": "off-site"},
        ],
    }
    return Surroundings(Config.model_validate({**base, **tables}))


def forwarded(*lines: bytes) -> Headers:
    return tuple((b"x-forwarded-for", line) for line in lines)


UNTRUSTED: dict[str, Headers] = {
    "HTTP-106": ((b"x-real-ip", b"10.0.0.1"),),
    "HTTP-107": ((b"forwarded", b"for=127.0.0.1;proto=https;host=admin.example"),),
    "HTTP-109": ((b"x-forwarded-proto", b"HTTPS, http"),),
    "HTTP-110": ((b"x-forwarded-host", b"admin.example"),),
    "HTTP-111": ((b"x-forwarded-port", b"1"),),
    "HTTP-114": ((b"x-cluster-client-ip", b"127.0.0.1"),),
    "HTTP-115": forwarded(b"1.1.1.1, " + b"4.4.4.4, " * 500),
    "HTTP-116": forwarded(b"::ffff:10.0.0.1"),
    "HTTP-117": forwarded(b"'\"><script>"),
}


@pytest.mark.parametrize("case", UNTRUSTED)
def test_what_a_browser_says_about_its_address_is_not_believed(case: str) -> None:
    """From a peer that is no configured proxy only the socket counts."""
    assert surroundings().source(PEER, UNTRUSTED[case]) == PEER


CHAINS: dict[str, tuple[Headers, str]] = {
    "one hop": (forwarded(b"203.0.113.9"), "203.0.113.9"),
    "what the client wrote stands to the left": (forwarded(b"10.20.1.1, 203.0.113.9"), "203.0.113.9"),
    "further trusted proxies are passed over": (forwarded(b"1.1.1.1, 203.0.113.9, 10.0.0.4"), "203.0.113.9"),
    "two lines are one chain": (forwarded(b"10.20.1.1", b"203.0.113.9"), "203.0.113.9"),
    "an IPv4 address written as IPv6": (forwarded(b"::ffff:203.0.113.9"), "203.0.113.9"),
    "a port": (forwarded(b"203.0.113.9:52114"), "203.0.113.9"),
    "IPv6 in brackets with a port": (forwarded(b"[2001:db8:9::1]:443"), "2001:db8:9::1"),
    "IPv6": (forwarded(b"2001:db8:9::1"), "2001:db8:9::1"),
    "nobody but proxies": (forwarded(b"10.0.0.4"), PROXY),
    "nothing at all": ((), PROXY),
    "other headers are not read": (((b"x-real-ip", b"203.0.113.9"),), PROXY),
    "what is no address": (forwarded(b"203.0.113.9, 127.1"), UNKNOWN),
    "markup": (forwarded(b"'\"><script>"), UNKNOWN),
    "empty": (forwarded(b""), UNKNOWN),
}


@pytest.mark.parametrize("case", CHAINS)
def test_behind_a_trusted_proxy_the_last_address_that_none_of_them_wrote_counts(case: str) -> None:
    """From the right, proxies passed over; what cannot be read is unknown, never the proxy's own address."""
    headers, source = CHAINS[case]
    assert surroundings().source(PROXY, headers) == source
    mapped = f"::ffff:{PROXY}"
    assert surroundings().source(mapped, headers) == (mapped if source == PROXY else source)


def test_without_configured_proxies_nobody_is_believed() -> None:
    """The default trusts no one, not even this machine."""
    gateway = {"public_url": "https://records.example.nhs.uk", "data_dir": "/var/lib/lanyard"}
    assert surroundings(gateway=gateway).source("127.0.0.1", forwarded(b"203.0.113.9")) == "127.0.0.1"


@pytest.mark.parametrize(
    ("source", "zone"),
    [
        ("10.1.2.3", "site"),
        ("10.20.1.1", "clinic"),
        ("10.20.30.1", "vpn"),
        ("::ffff:10.20.1.1", "clinic"),
        ("2001:db8:1::1", "site"),
        ("203.0.113.9", ""),
        (UNKNOWN, ""),
        ("", ""),
    ],
)
def test_the_longest_prefix_names_the_zone(source: str, zone: str) -> None:
    """Whatever the order in the file; outside all of them there is none."""
    found = surroundings().zone(source)
    assert (found.name if found else "") == zone


@pytest.mark.parametrize(
    ("source", "ownership", "posture", "idle"),
    [
        ("10.1.2.3", Ownership.SHARED, Posture.ON_SITE, 300.0),
        ("10.20.1.1", Ownership.SHARED, Posture.ON_SITE, 600.0),
        ("10.20.30.1", Ownership.UNKNOWN, Posture.OFF_SITE, 120.0),
        ("203.0.113.9", Ownership.UNKNOWN, Posture.OFF_SITE, 120.0),
        (UNKNOWN, Ownership.UNKNOWN, Posture.OFF_SITE, 120.0),
    ],
)
def test_an_unknown_device_on_site_is_a_shared_one(
    source: str, ownership: Ownership, posture: Posture, idle: float
) -> None:
    """And its idle time is the zone's own, where it has one."""
    device = surroundings().device(source, ())
    seconds = surroundings().idle(source, device.ownership)
    assert (device.ownership, device.posture, device.managed, seconds) == (ownership, posture, False, idle)


ISSUER, SUBJECT = (b"x-ssl-client-i-dn", b"CN=Trust CA"), (b"x-ssl-client-s-dn", b"CN=kiosk-12")
VERIFIED = (b"x-ssl-client-verify", b"SUCCESS")


def test_a_trusted_proxy_names_the_client_certificate() -> None:
    """Issuer and subject as it writes them, once it has verified them itself."""
    named = surroundings().certificate(PROXY, (SUBJECT, ISSUER, VERIFIED))
    assert named == Certificate("CN=Trust CA", "CN=kiosk-12")


DOUBTFUL: dict[str, tuple[str, Headers]] = {
    "a browser": (PEER, (VERIFIED, ISSUER, SUBJECT)),
    "nothing": (PROXY, ()),
    "not verified": (PROXY, ((b"x-ssl-client-verify", b"NONE"), ISSUER, SUBJECT)),
    "failed": (PROXY, ((b"x-ssl-client-verify", b"FAILED:expired"), ISSUER, SUBJECT)),
    "nearly": (PROXY, ((b"x-ssl-client-verify", b"success"), ISSUER, SUBJECT)),
    "not said": (PROXY, (ISSUER, SUBJECT)),
    "verified twice": (PROXY, (VERIFIED, VERIFIED, ISSUER, SUBJECT)),
    "two subjects": (PROXY, (VERIFIED, ISSUER, SUBJECT, (b"x-ssl-client-s-dn", b"CN=admin"))),
    "no issuer": (PROXY, (VERIFIED, SUBJECT)),
    "an empty subject": (PROXY, (VERIFIED, ISSUER, (b"x-ssl-client-s-dn", b""))),
    "no text": (PROXY, (VERIFIED, ISSUER, (b"x-ssl-client-s-dn", b"CN=\xff"))),
    "another spelling": (PROXY, (VERIFIED, ISSUER, (b"x_ssl_client_s_dn", b"CN=kiosk-12"))),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_a_doubtful_certificate_is_none(case: str) -> None:
    """Anybody else's word, a word that stands twice, half a name."""
    assert surroundings().certificate(*DOUBTFUL[case]) is None


def test_without_configured_proxies_no_certificate_is_believed() -> None:
    """The default trusts no one."""
    gateway = {"public_url": "https://records.example.nhs.uk", "data_dir": "/var/lib/lanyard"}
    assert surroundings(gateway=gateway).certificate("127.0.0.1", (VERIFIED, ISSUER, SUBJECT)) is None


AGENTS: dict[str, tuple[Headers, DeviceClass]] = {
    "a phone's hint": (((b"sec-ch-ua-mobile", b"?1"), (b"user-agent", b"Mozilla/5.0 (X11; Linux)")), DeviceClass.PHONE),
    "a desktop's hint": (((b"sec-ch-ua-mobile", b"?0"), (b"user-agent", b"Mozilla/5.0 (Windows NT 10.0)")), DeviceClass.DESKTOP),
    "an iPhone": (((b"user-agent", b"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0)"),), DeviceClass.PHONE),
    "an iPad": (((b"user-agent", b"Mozilla/5.0 (iPad; CPU OS 18_0)"),), DeviceClass.TABLET),
    "an Android tablet": (((b"user-agent", b"Mozilla/5.0 (Linux; Android 14; SM-X210)"),), DeviceClass.TABLET),
    "an Android phone": (((b"user-agent", b"Mozilla/5.0 (Linux; Android 14; Pixel 8) Mobile"),), DeviceClass.PHONE),
    "a tablet's hint": (((b"sec-ch-ua-form-factors", b'"Tablet"'), (b"user-agent", b"Mozilla/5.0 (X11; Linux)")), DeviceClass.TABLET),
    "a tablet with Windows": (((b"user-agent", b"Mozilla/5.0 (Windows NT 10.0; Win64; x64; Tablet PC 2.0)"),), DeviceClass.DESKTOP),
    "a Mac": (((b"user-agent", b"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15"),), DeviceClass.DESKTOP),
    "a Chromebook": (((b"user-agent", b"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36"),), DeviceClass.DESKTOP),
    "Firefox on a phone": (((b"user-agent", b"Mozilla/5.0 (Android 14; Mobile; rv:130.0) Gecko/130.0 Firefox/130.0"),), DeviceClass.PHONE),
    "Firefox on a tablet": (((b"user-agent", b"Mozilla/5.0 (Android 14; Tablet; rv:130.0) Gecko/130.0"),), DeviceClass.TABLET),
    "a script": (((b"user-agent", b"curl/8.9.1"),), DeviceClass.DESKTOP),
    "a user agent of 30 kB": (((b"user-agent", b"Mozilla/5.0 (" + b"iPhone; " * 4000),), DeviceClass.PHONE),
    "bytes beyond ASCII": (((b"user-agent", b"\xff\x00\x85"),), DeviceClass.DESKTOP),
    "nothing": ((), DeviceClass.DESKTOP),
}  # fmt: skip


@pytest.mark.parametrize("case", AGENTS)
def test_the_class_of_a_device_is_a_hint_from_its_headers(case: str) -> None:
    """Coarse, and never more than a hint."""
    headers, device_class = AGENTS[case]
    assert surroundings().device("10.1.2.3", headers).device_class is device_class
