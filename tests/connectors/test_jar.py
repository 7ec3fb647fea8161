"""The jar of one upstream session: the system's cookies in, its own cookies out, nobody else's."""

from __future__ import annotations

import json

import pytest

from connectors.jar import Jar

ORIGIN = "http://legacy-pas.test"


def set_cookie(value: str) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"content-type", b"text/html"), (b"set-cookie", value.encode("latin-1")))


def test_a_session_cookie_comes_back() -> None:
    """COOKIE-035: an ordinary session cookie is kept and sent to the system."""
    jar = Jar(ORIGIN)
    assert jar.take("/login", set_cookie("JSESSIONID=abc; Path=/"))
    assert jar.line("/ward/7") == b"JSESSIONID=abc"


def test_a_cookie_for_another_path_stays_there() -> None:
    """A cookie is sent only below its path."""
    jar = Jar(ORIGIN)
    jar.take("/app/login", set_cookie("a=1; Path=/app"))
    assert jar.line("/app/x") == b"a=1"
    assert jar.line("/other") == b""


def test_what_is_kept_makes_the_same_jar() -> None:
    """The jar survives a trip through JSON."""
    jar = Jar(ORIGIN)
    jar.take("/", set_cookie("a=1; Path=/; HttpOnly"))
    assert Jar(ORIGIN, json.loads(json.dumps(jar.kept()))).line("/") == b"a=1"


@pytest.mark.parametrize(
    ("case", "line"),
    [
        ("COOKIE-036", "JSESSIONID=abc; Domain=hosp.test"),
        ("COOKIE-039", "a=b; Domain=.gw.hosp.test"),
        ("COOKIE-040", "a=" + "x" * 5000),
        ("COOKIE-042", "; ; ="),
    ],
)
def test_a_cookie_that_is_not_the_system_s_own_is_dropped(case: str, line: str) -> None:
    """Foreign domains, oversize and garbage leave the jar as it was."""
    jar = Jar(ORIGIN)
    jar.take("/", set_cookie(line))
    assert jar.line("/") == b"", case


def test_an_absurd_age_does_no_harm() -> None:
    """COOKIE-043: a cookie that would outlive everything is kept as any other."""
    jar = Jar(ORIGIN)
    jar.take("/", set_cookie("a=b; Max-Age=99999999999999"))
    assert jar.line("/") in (b"a=b", b"")


def test_an_expired_cookie_goes() -> None:
    """The system may take a cookie back."""
    jar = Jar(ORIGIN)
    jar.take("/", set_cookie("a=1; Path=/"))
    assert jar.take("/", set_cookie("a=1; Path=/; Max-Age=0"))
    assert jar.line("/") == b""


def test_an_answer_without_cookies_changes_nothing() -> None:
    """The usual answer costs nothing and says so."""
    assert not Jar(ORIGIN).take("/", ((b"content-type", b"text/html"),))
