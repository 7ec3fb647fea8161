"""The steps of a sign-on one by one, for tests that go another way than a browser would."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from tests.counterparts import provider

from .browser import Browser
from .hospital import Hospital


def begun(place: Hospital, browser: Browser, query: str = "") -> str:
    """The authorisation request that the gateway sends this browser to the provider with."""
    start = browser.once("GET", f"{place.url}/sign-on/start{query}", came_from=f"{place.url}/sign-on")
    assert start.status_code == 303, start.text
    return start.headers["location"]


def answered(
    place: Hospital, browser: Browser, request: str, login: str, *, otp: str = provider.OTP, proved_ago: int = 0
) -> str:
    """The provider's answer: the callback's address, not visited yet."""
    url = request
    for _ in range(10):
        answer = browser.once("GET", url)
        if answer.status_code == 200:
            filled = {
                "login": login,
                "password": provider.USERS[login]["password"],
                "otp": otp,
                "proved_ago": str(proved_ago),
            }
            kind = {"content-type": "application/x-www-form-urlencoded"}
            answer = browser.once("POST", url, came_from=url, headers=kind, body=urlencode(filled).encode())
        url = urljoin(url, answer.headers["location"])
        if url.startswith(place.url):
            return url
    raise AssertionError(f"the provider gives no answer: {url}")


def callback_of(place: Hospital, browser: Browser, login: str, *, query: str = "", otp: str = provider.OTP) -> str:
    """From the gateway to the provider and up to the door back."""
    return answered(place, browser, begun(place, browser, query), login, otp=otp)


def fields(url: str) -> dict[str, str]:
    """The query's parameters, each of which may stand once."""
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs), url
    return dict(pairs)


def changed(url: str, **changes: str | None) -> str:
    """The same address with other parameters; None takes one out."""
    found = {**fields(url), **changes}
    kept = {name: value for name, value in found.items() if value is not None}
    return urlunsplit(urlsplit(url)._replace(query=urlencode(kept)))


def signed_on(place: Hospital, browser: Browser) -> bool:
    """Whether the launchpad is there, without a step elsewhere."""
    return browser.once("GET", f"{place.url}/").status_code == 200
