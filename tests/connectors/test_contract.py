"""The contract of connectors itself: somebody else's connector holds to it, and whatever breaks a rule is caught by that rule."""

from __future__ import annotations

import ast
import unittest
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import pytest

from connectors import (
    Action,
    Manifest,
    PatientRef,
    SystemConfig,
    SystemMisbehaves,
    UpstreamSession,
)
from connectors.header import HeaderConnector
from connectors.testing import Answered, Asked, ConnectorContract

from .board import BoardConnector, broken
from .header import test_contract as header

CHECKS = sorted(name for name in dir(ConnectorContract) if name.startswith("test_"))
FORM = ((b"content-type", b"application/x-www-form-urlencoded"),)
TEXT = ((b"content-type", b"text/plain; charset=utf-8"),)
BOARD = Asked(b"/board", Action.LIST)


def about(*ids: str) -> frozenset[PatientRef]:
    return frozenset(PatientRef("system:board", id_) for id_ in ids)


BED = Asked(b"/beds/H123456?view=all", Action.READ, about("H123456"))


class Board(ConnectorContract):
    package = "tests.connectors.board"
    made: type = BoardConnector
    options: ClassVar[dict[str, Any]] = {"ward": "7"}

    def connector(self) -> Any:
        return self.made(SystemConfig("board", "Board", "http://board.test", self.options, 4096, "https://b.test"))

    def session(self, secret: str) -> UpstreamSession | None:
        return UpstreamSession("s", "board", {"token": secret})

    def system(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(201 if request.method == "POST" else 404, content=b"t0ken")

    def requests(self) -> list[Asked]:
        move = b"hosp=H123456&to=4"
        return [BOARD, BED, Asked(b"/moves", Action.WRITE, about("H123456"), "POST", FORM, move)]

    def answers(self) -> list[Answered]:
        return [
            Answered(BED, (*TEXT, (b"content-length", b"42")), b"Hosp No: H123456 http://board.test/bed-444", about("H123456")),
            Answered(BOARD, TEXT, "Hosp No: H1 is next to Hosp No: H22 in café".encode(), about("H1", "H22")),
        ]  # fmt: skip


class TestBoard(Board):
    """The board holds to all of it."""


@dataclass(frozen=True)
class Canary:
    """A suite that is wrong somewhere, and the check that must say so."""

    check: str
    suite: type[ConnectorContract]
    says: str


def canary(check: str, says: str, made: type = BoardConnector, **changes: Any) -> Canary:
    name = made.__name__ if made is not BoardConnector else "_".join(changes)
    return Canary(check, type(name, (Board,), {"made": made, **changes}), says)


def no_title(self: ConnectorContract) -> Manifest:
    return replace(Manifest.of(self.package), title="")


def no_optional(self: ConnectorContract) -> Manifest:
    found = Manifest.of(self.package)
    return replace(found, options=tuple(replace(option, required=True) for option in found.options))


def of_nothing(self: ConnectorContract) -> list[Any]:
    return []


class Believing(HeaderConnector):
    async def prepare(self, inbound: Any, permit: Any, session: Any) -> Any:
        sent = await super().prepare(inbound, permit, session)
        sent.headers = (*sent.headers, *((name, value) for name, value in inbound.headers if b"remote" in name))
        return sent


class Believed(header.TestHeader):
    __test__ = False

    def connector(self) -> HeaderConnector:
        return Believing(super().connector().config)


class Anonymous(header.TestHeader):
    __test__ = False

    def connector(self) -> HeaderConnector:
        return HeaderConnector(replace(super().connector().config, options={"headers": {"X-From": "the gateway"}}))


class Nameless(header.TestHeader):
    __test__ = False

    def connector(self) -> HeaderConnector:
        return HeaderConnector(replace(super().connector().config, options={"headers": {"X-From": "{role}"}}))


CANARIES = [
    canary("test_each_request_is_known", "misread", broken.Misreads),
    canary("test_each_request_is_known", "at least one", requests=of_nothing),
    canary("test_a_request_is_described_alike_each_time", "otherwise", broken.Remembers),
    canary("test_a_request_is_described_alike_each_time", "used up|streamed once", broken.UsesUp),
    canary("test_a_request_is_described_without_a_network", "board.test/who", broken.AsksAround),
    canary("test_whatever_comes_is_described_or_refused", "UnicodeDecodeError is not a refusal", broken.Stumbles),
    canary("test_whatever_comes_is_described_or_refused", "an id of", broken.NoNormalForm),
    canary("test_whatever_comes_is_described_or_refused", "repeats", broken.TellsWho),
    canary("test_the_target_goes_on_byte_for_byte", "became", broken.Encodes),
    canary("test_the_target_goes_on_byte_for_byte", "body changed", broken.Exchanges),
    canary("test_headers_are_well_formed", "X-Ward", broken.Shouts),
    canary("test_the_browser_s_cookies_stay_here", "cookie", broken.PassesCookies),
    canary("test_the_browser_s_authorization_stays_here", "authorization", broken.PassesAuthorization),
    canary("test_no_secret_is_printed", "repeats", broken.Prints),
    canary("test_no_secret_is_printed", "never sent", secrets=("not the token",)),
    canary("test_one_session_s_secret_is_never_sent_for_another", "another session's", broken.Mixes),
    canary("test_one_session_s_secret_is_never_sent_for_another", "session", session=lambda self, secret: None),
    canary("test_patients_in_an_answer_are_found", "misread", broken.ReadsPieces),
    canary("test_an_answer_without_a_body_names_nobody", "answered nothing", broken.WantsABody),
    canary("test_an_answer_that_cannot_be_read_is_refused", "UnicodeDecodeError is not a refusal", broken.Trusts),
    canary("test_an_answer_that_breaks_off_is_no_whole_answer", "taken for a whole one", broken.Forgives),
    canary("test_no_more_of_an_answer_is_held_than_may_be", "were held", broken.HoldsAll),
    canary("test_a_translated_answer_says_its_length", "b'42' for 62", broken.Miscounts),
    canary("test_each_power_is_whole", "is_logged_off is missing", broken.HalfThere),
    canary("test_each_power_is_whole", "`health` is async", broken.NotAsync),
    canary("test_a_log_on_is_tried_once_and_nowhere_else", "sent 2 times", broken.TriesAgain),
    canary("test_a_log_on_is_tried_once_and_nowhere_else", "elsewhere.test|TooManyRedirects", broken.Follows),
    canary("test_a_log_on_is_tried_once_and_nowhere_else", "KeyError", broken.Complains),
    canary("test_a_log_off_is_looked_for_without_harm", "/beds", broken.SeesLogOffs),
    canary("test_a_log_off_is_looked_for_without_harm", "ascii", broken.Absorbs),
    Canary("test_nobody_but_the_gateway_says_who_is_asking", Believed, "is believed"),
    Canary("test_nobody_but_the_gateway_says_who_is_asking", Anonymous, "the same of everybody"),
    Canary("test_nobody_but_the_gateway_says_who_is_asking", Nameless, "without a name"),
    canary("test_it_is_opened_and_closed_without_harm", "asked the system", broken.Eager),
    canary("test_it_is_opened_and_closed_without_harm", "tools", broken.ClosesOnce),
    canary("test_the_manifest_says_what_it_is", "no title", _manifest=no_title),
    canary("test_wrong_options_are_told", "not those of the manifest", options={"wrd": "7"}),
    canary("test_wrong_options_are_told", "not those of the manifest", _manifest=no_optional),
    canary("test_every_quality_rule_is_answered", "there is no file", root=Path("/nowhere")),
    canary("test_every_skip_has_a_reason", "without a reason", skips={"test_no_secret_is_printed": "later"}),
    canary("test_every_skip_has_a_reason", "is no check", skips={"test_nothing": "it is not there at all, is it?"}),
]


@pytest.mark.parametrize("one", CANARIES, ids=lambda one: f"{one.suite.__name__}-{one.check}")
def test_what_breaks_a_rule_is_caught_by_it(one: Canary) -> None:
    """The canary: each check turns red on a connector, or a suite, that is wrong in just that."""
    check: Callable[[], None] = getattr(one.suite(), one.check)
    with pytest.raises((AssertionError, *OTHERWISE.get(one.suite.__name__, ())), match=one.says):
        check()


# Where the connector's own error is what the suite shows.
OTHERWISE: dict[str, tuple[type[Exception], ...]] = {
    "UsesUp": (RuntimeError,),
    "WantsABody": (SystemMisbehaves,),
    "Absorbs": (UnicodeDecodeError,),
    "ClosesOnce": (KeyError,),
}


def test_each_check_has_its_canary() -> None:
    """No check of the contract is there that was never seen to fail."""
    assert {one.check for one in CANARIES} == set(CHECKS)


def test_a_check_is_skipped_by_its_name_with_its_reason() -> None:
    """The reason is what whoever runs the suite reads."""
    suite = type("Skips", (Board,), {"skips": {"test_no_secret_is_printed": "there is none"}})()
    with pytest.raises(unittest.SkipTest, match="there is none"):
        suite.setup_method(suite.test_no_secret_is_printed)
    suite.setup_method(suite.test_each_request_is_known)


def test_the_board_knows_connectors_only() -> None:
    """All that a connector of somebody else's needs is there under one name."""
    source = (Path(__file__).parent / "board" / "connector.py").read_text("utf-8")
    known = {node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)}
    assert {name for name in known if name and name.split(".")[0] in ("connectors", "policies", "gateway", "sso")} == {
        "connectors"
    }
