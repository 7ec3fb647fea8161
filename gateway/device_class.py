"""Headers into a phone, a tablet or a desktop: a hint for layout and journal, never a ground for trust.

Client hints first, since browsers freeze what the user agent says; then the user agent, by ua-parser's list of devices.
"""

from __future__ import annotations

from functools import lru_cache

from ua_parser import parse

from connectors.messages import Headers
from policies.model import DeviceClass

_LONGEST = 512  # characters of a user agent; the list is of regular expressions, and a browser's own is shorter
# `Sec-CH-UA-Form-Factors` (WICG, User-Agent Client Hints), where a browser sends it.
_FORMS = {b'"Mobile"': DeviceClass.PHONE, b'"Tablet"': DeviceClass.TABLET, b'"Desktop"': DeviceClass.DESKTOP}
_DESKTOPS = frozenset({"Windows", "Mac OS X", "Chrome OS", "Linux", "Ubuntu", "Fedora"})


def device_class(headers: Headers) -> DeviceClass:
    """A desktop where nothing says otherwise."""
    agent = b""
    mobile = False
    for name, value in headers:
        if name == b"sec-ch-ua-form-factors":
            for form, kind in _FORMS.items():
                if form in value:
                    return kind
        elif name == b"sec-ch-ua-mobile":
            mobile = value == b"?1"
        elif name == b"user-agent":
            agent = value
    return DeviceClass.PHONE if mobile else _by_agent(agent[:_LONGEST].decode("latin-1"))


def warm() -> None:
    """Read the library's patterns, which takes a third of a second, before anybody asks."""
    _by_agent("")


@lru_cache(maxsize=1024)
def _by_agent(agent: str) -> DeviceClass:
    found = parse(agent)
    system = found.os.family if found.os else ""
    model = found.device.family if found.device else ""
    if system in _DESKTOPS:
        return DeviceClass.DESKTOP
    if "iPad" in model or "Tablet" in agent or (system == "Android" and "Mobile" not in agent):
        return DeviceClass.TABLET
    return (
        DeviceClass.PHONE if system in ("iOS", "Android", "Windows Phone") or "Mobi" in agent else DeviceClass.DESKTOP
    )
