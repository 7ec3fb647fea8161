"""What every connector must hold to, as tests that a connector's own suite inherits; nothing here imports pytest.

A subclass says what its connector is, and gives requests and answers that it knows. A check that does not fit is skipped by its
name in `skips`, with the reason written out. What the gateway does with a connector is not checked here.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from contextlib import suppress
from dataclasses import replace
from functools import partial

from policies.decision import Permit
from policies.model import Action, Principal, Resource

from . import hostile
from .base import ChecksHealth, Connector, KeepsSession, LogsOn, NamesParameters, TakesOurWord, Translates
from .errors import AnswerTooLarge, BadRequest, ConnectorError, NotBrokered, SystemMisbehaves
from .messages import Body, Headers, UpstreamResponse
from .rehearsal import (
    BROWSERS_OWN,
    PASSWORD,
    badly,
    broken,
    everything,
    require_normal,
    shown,
    some,
)
from .samples import ANOTHER, WHO, Answered, Asked, Endless, Wire
from .self_description import QUALITY_RULES, SaysWhatItIs

__all__ = ["QUALITY_RULES", "Answered", "Asked", "ConnectorContract"]

_POWERS = (KeepsSession, LogsOn, TakesOurWord, Translates, NamesParameters, ChecksHealth)
_REFUSED = (BadRequest, NotBrokered)
_UNREADABLE = (AnswerTooLarge, SystemMisbehaves)
_SPARE = 256 * 1024  # bytes of an endless answer that may come on top of `hold`: what was under way


class ConnectorContract(SaysWhatItIs):
    permit = Permit(("rule",), "version", "hash")  # nobody was asked: tests only

    # What is asked

    def test_each_request_is_known(self) -> None:
        """Action and patients are those that the sample names, in this connector's own system."""
        for asked in some(self.requests(), "requests"):
            action, resource = self._described(asked)
            assert isinstance(action, Action), f"{asked.target!r}: {action!r} is no Action"
            assert isinstance(resource, Resource), f"{asked.target!r}: {resource!r} is no Resource"
            assert resource.system == self.connector().config.name, f"{asked.target!r}: it is another system's"
            assert resource.kind == resource.kind.lower() != "", f"{asked.target!r}: a kind is a lower-case word"
            assert (action, resource.patients) == (asked.action, asked.patients), f"{asked.target!r} is misread"

    def test_a_request_is_described_alike_each_time(self) -> None:
        """By the same connector, by another, and whatever was asked before; the request itself is left as it was."""

        async def twice(connector: Connector) -> list[tuple[Action, Resource]]:
            found = []
            for asked in [*self.requests(), *reversed(self.requests())]:
                inbound = asked.inbound()
                found.append(await connector.describe(inbound))
                assert (inbound.method, inbound.target, inbound.headers) == (asked.method, asked.target, asked.headers)
                body = b"".join([chunk async for chunk in inbound.body.chunks()])
                assert body == asked.body, f"{asked.target!r}: describing used up the body"
            return found

        first = self._with(twice)
        assert first == first[::-1], "a request is described otherwise the second time"
        assert first == self._with(twice), "a request is described otherwise by another connector"

    def test_a_request_is_described_without_a_network(self) -> None:
        """What is asked follows from the request alone."""
        wire = Wire(self.system)

        async def describe(connector: Connector) -> None:
            for asked in self.requests():
                await connector.describe(asked.inbound())

        self._with(describe, wire)
        assert wire.asked == [], f"describing asked for {[str(r.url) for r in wire.asked]}"

    def test_whatever_comes_is_described_or_refused(self) -> None:
        """Odd targets, methods and bodies end in an answer or in BadRequest or NotBrokered, which repeat neither secret nor patient."""

        async def all_of_them(connector: Connector) -> None:
            for inbound, asked in self._attacks():
                try:
                    action, resource = await connector.describe(inbound)
                except _REFUSED as refused:
                    self._says_nothing(str(refused), *(ref.value for ref in asked.patients if len(ref.value) > 5))
                except Exception as error:
                    raise AssertionError(f"{shown(inbound)}: {type(error).__name__} is not a refusal") from error
                else:
                    assert isinstance(action, Action), shown(inbound)
                    require_normal(resource.patients, shown(inbound))
                if isinstance(connector, NamesParameters):
                    named = connector.named_parameters(inbound)
                    assert all(isinstance(text, str) for pair in named for text in pair), f"{shown(inbound)}: no names"

        self._with(all_of_them)

    # What is sent

    def test_the_target_goes_on_byte_for_byte(self) -> None:
        """What was judged is what is sent: method, target, body and its length."""
        for asked in some(self.requests(), "requests"):
            for odd in (b"", b"x=%7b%2C\"{}'"):
                mark = b"&" if b"?" in asked.target else b"?"
                changed = replace(asked, target=asked.target + mark + odd) if odd else asked
                if odd and asked.sent_as is not None:
                    continue
                with suppress(*_REFUSED if odd else ()):
                    sent = self._prepared(changed)
                    assert sent.target == (asked.sent_as or changed.target), (
                        f"{changed.target!r} became {sent.target!r}"
                    )
                    assert sent.method == asked.method, f"{asked.target!r}: the method changed to {sent.method}"
                    assert asyncio.run(everything(sent.body)) == asked.body, f"{asked.target!r}: the body changed"
                    assert sent.length in (None, len(asked.body)), f"{asked.target!r}: the length is wrong"

    def test_headers_are_well_formed(self) -> None:
        """Names in lower case, and no value that would begin a new line."""
        for asked in self.requests():
            for name, value in self._prepared(asked).headers:
                assert re.fullmatch(rb"[!#$%&'*+.^_`|~0-9a-z-]+", name), f"{asked.target!r}: the name {name!r}"
                assert not re.search(rb"[\r\n\0]", value), f"{asked.target!r}: the value of {name!r} has a line break"

    def test_the_browser_s_cookies_stay_here(self) -> None:
        """But for those that the manifest declares."""
        self._not_passed((b"cookie", b"__Host-lanyard=" + BROWSERS_OWN + b"; JSESSIONID=" + BROWSERS_OWN))

    def test_the_browser_s_authorization_stays_here(self) -> None:
        """The system is told who asks by us, never by the browser."""
        self._not_passed(
            (b"authorization", b"Bearer " + BROWSERS_OWN), (b"proxy-authorization", b"Basic " + BROWSERS_OWN)
        )

    def test_no_secret_is_printed(self) -> None:
        """Neither the connector nor what it makes shows a credential in its repr or str."""
        session = self.session(PASSWORD)
        hidden = (*self.secrets, *([PASSWORD] if session else []))
        assert hidden, "name the `secrets` that it is known by, or skip this check with the reason"
        sent = [self._prepared(asked, session) for asked in self.requests()]
        raw = b"\n".join(value for request in sent for _, value in request.headers)
        for secret in hidden:
            assert secret.encode() in raw, (
                "a secret of `secrets` or `session()` is never sent: the check proves nothing"
            )
        for value in (self.connector(), self.connector().config, session, *sent):
            self._says_nothing(f"{value!r} {value}", *hidden)

    def test_one_session_s_secret_is_never_sent_for_another(self) -> None:
        """Two clinicians' sessions, in turns, through the same connector."""
        one, two = self.session("secret-of-one"), self.session("secret-of-two")
        if one is None or two is None:
            self._needs(KeepsSession)
            raise AssertionError("it keeps a session: give `session()`")
        one.id, two.id = "one", "two"

        async def in_turns(connector: Connector) -> None:
            for asked in [*self.requests(), *self.requests()]:
                for mine, other, session in ((b"one", b"two", one), (b"two", b"one", two)):
                    sent = b"\n".join(
                        v for _, v in (await connector.prepare(asked.inbound(), self.permit, session)).headers
                    )
                    assert b"secret-of-" + other not in sent, f"{asked.target!r}: another session's secret is sent"
                    assert b"secret-of-" + mine in sent, f"{asked.target!r}: the session's own secret is not sent"

        self._with(in_turns)

    # What is answered

    def test_patients_in_an_answer_are_found(self) -> None:
        """Those whom the sample names, however the answer is cut into pieces; and the answer stays whole."""

        async def read(connector: Connector) -> None:
            for answered in some(self.answers(), "answers"):
                for chunk in (1 << 20, 97, 7):
                    response = answered.response(chunk=chunk)
                    seen = await connector.disclosed(answered.asked.inbound(), response)
                    assert seen == answered.patients, f"the answer to {answered.asked.target!r} is misread"
                    require_normal(seen, repr(answered.asked.target))
                    assert await everything(response.body) == answered.body, "reading ahead took something away"

        self._with(read)

    def test_an_answer_without_a_body_names_nobody(self) -> None:
        """HEAD, 204 and 304 are no errors."""

        async def read(connector: Connector) -> None:
            for answered in self.answers():
                for method, status in (("HEAD", 200), (answered.asked.method, 204), (answered.asked.method, 304)):
                    inbound = replace(answered.asked, method=method).inbound()
                    headers = answered.headers if method == "HEAD" else ()
                    response = UpstreamResponse(status, headers, Body.of(b""))
                    assert await connector.disclosed(inbound, response) == frozenset(), f"{method} {status}"
                    if isinstance(connector, Translates):
                        response = await connector.translate(inbound, response)
                    assert (response.status, await everything(response.body)) == (status, b""), f"{method} {status}"

        self._with(read)

    def test_an_answer_that_cannot_be_read_is_refused(self) -> None:
        """Truncated, garbage, another charset or media type: patients, or AnswerTooLarge or SystemMisbehaves."""

        async def read(connector: Connector) -> None:
            for answered, chunk in self._damaged():
                response = answered.response(chunk=chunk)
                what = f"{answered.status} {dict(answered.headers)} {answered.body[:60]!r}"
                try:
                    seen = await connector.disclosed(answered.asked.inbound(), response)
                except _UNREADABLE as refused:
                    self._says_nothing(str(refused))
                except Exception as error:
                    raise AssertionError(f"{what}: {type(error).__name__} is not a refusal") from error
                else:
                    require_normal(seen, what)
                    assert await everything(response.body) == answered.body, (
                        f"{what}: reading ahead took something away"
                    )

        self._with(read)

    def test_an_answer_that_breaks_off_is_no_whole_answer(self) -> None:
        """The system's reset is raised, to the connector or to whoever streams what it read."""

        async def read(connector: Connector) -> None:
            for answered in self.answers():
                response = UpstreamResponse(answered.status, answered.headers, Body(broken(answered.body)))
                told = False
                try:
                    await connector.disclosed(answered.asked.inbound(), response)
                    await everything(response.body)
                except ConnectorError:
                    told = True
                assert told, f"the answer to {answered.asked.target!r} broke off and was taken for a whole one"

        self._with(read)

    def test_no_more_of_an_answer_is_held_than_may_be(self) -> None:
        """An answer without end is refused or looked into, never held past `hold`."""

        async def read(connector: Connector) -> None:
            for answered in self.answers():
                endless = Endless(answered.body)
                response = UpstreamResponse(answered.status, answered.headers, Body(endless.stream()))
                with suppress(*_UNREADABLE):
                    async with asyncio.timeout(10):
                        await connector.disclosed(answered.asked.inbound(), response)
                most = max(connector.config.hold, 65_536) + len(answered.body) + _SPARE
                assert endless.read <= most, (
                    f"{endless.read} bytes of the answer to {answered.asked.target!r} were held"
                )

        self._with(read)

    def test_a_translated_answer_says_its_length(self) -> None:
        """Whatever is changed, the length that is told is the length that is sent, and no system is named in it."""

        async def read(connector: Connector) -> None:
            assert isinstance(connector, Translates)
            for answered in self.answers():
                inbound, response = answered.asked.inbound(), answered.response()
                await connector.disclosed(inbound, response)
                response = await connector.translate(inbound, response)
                body, length = await everything(response.body), response.header(b"content-length")
                assert length in (None, str(len(body)).encode()), (
                    f"{answered.asked.target!r}: {length!r} for {len(body)}"
                )

        self._needs(Translates)
        self._with(read)

    # Further powers

    def test_each_power_is_whole(self) -> None:
        """Of an optional protocol a connector has every method, as the protocol has it, or none."""
        connector = self.connector()
        for protocol in (Connector, *_POWERS):
            asked_for = {name: f for name, f in vars(protocol).items() if inspect.isfunction(f) and name[0] != "_"}
            has = {name: getattr(connector, name) for name in asked_for if hasattr(connector, name)}
            missing = sorted(asked_for.keys() - has.keys())
            if has and protocol in (LogsOn, TakesOurWord):
                assert isinstance(connector, KeepsSession), (
                    f"{protocol.__name__} is half there: give what KeepsSession asks"
                )
            if not has and protocol is not Connector:
                continue
            assert not missing, f"{protocol.__name__} is half there: {', '.join(missing)} is missing"
            for name, method in has.items():
                wanted = inspect.iscoroutinefunction(asked_for[name])
                assert inspect.iscoroutinefunction(method) == wanted, f"`{name}` is {'' if wanted else 'not '}async"
                takes = len(inspect.signature(asked_for[name]).parameters) - 1
                with_as_many = inspect.signature(method)
                try:
                    with_as_many.bind(*range(takes))
                except TypeError:
                    raise AssertionError(f"`{name}` does not take what {protocol.__name__} gives it") from None

    def test_a_log_on_is_tried_once_and_nowhere_else(self) -> None:
        """Whatever the system answers, the password goes there at most once and to no other address, and no error repeats it."""
        self._needs(LogsOn)
        assert self._tried(self.system) == 1, "the password is never sent: let `system()` answer with the login page"
        for answer in badly():
            self._tried(partial(self._always, answer))
            self._tried(partial(self._once_it_came, answer))

    def test_a_log_off_is_looked_for_without_harm(self) -> None:
        """No sample is taken for one, and neither damaged answers nor damaged cookies are errors."""

        async def look(connector: Connector) -> None:
            assert isinstance(connector, KeepsSession)
            session = self.session("s")
            assert session is not None, "it keeps a session: give `session()`"
            for answered in self.answers():
                assert await connector.is_logged_off(answered.response()) is False, f"{answered.asked.target!r}"
            for answered, chunk in self._damaged():
                response = answered.response(chunk=chunk)
                assert await connector.is_logged_off(response) in (True, False), "it is a yes or a no"
                assert await everything(response.body) == answered.body, "looking took something away"
                for word in hostile.WORDS:
                    response.headers = ((b"set-cookie", b"a=" + word + b"; Path=/" + word + b"; Expires=" + word),)
                    assert await connector.absorb(session, answered.asked.inbound(), response) in (True, False)
            json.dumps(session.state)

        self._needs(KeepsSession)
        self._with(look)

    def test_nobody_but_the_gateway_says_who_is_asking(self) -> None:
        """A system that takes our word is told who asks each time, and what a browser says of it is gone, in whatever spelling."""

        async def about(connector: Connector, asked: Asked, who: Principal) -> Headers:
            return (await connector.prepare(replace(asked, who=who).inbound(), self.permit, self.session("s"))).headers

        async def ask(connector: Connector) -> None:
            for asked in self.requests():
                one, other = await about(connector, asked, WHO), await about(connector, asked, ANOTHER)
                telling = sorted({name for name, value in one if (name, value) not in other})
                assert telling, f"{asked.target!r}: the system is told the same of everybody"
                for name in telling:
                    for spelled in (name, name.replace(b"-", b"_"), name.replace(b"-", b".")):
                        lying = replace(asked, headers=(*asked.headers, (spelled, BROWSERS_OWN)))
                        sent = await about(connector, lying, WHO)
                        assert BROWSERS_OWN not in b"\n".join(v for _, v in sent), (
                            f"the browser's own {spelled!r} is believed"
                        )
                with suppress(*_REFUSED):
                    sent = await about(connector, asked, replace(WHO, subject="", name=""))
                    raise AssertionError(f"{asked.target!r}: somebody without a name is let in with {sent}")

        self._needs(TakesOurWord)
        self._with(ask)

    def test_it_is_opened_and_closed_without_harm(self) -> None:
        """It makes nothing before it is opened, asks nobody while it is, and closes as often as it is closed."""
        wire = Wire(self.system)

        async def run() -> None:
            connector = self.connector()
            await connector.open(wire.tools())
            await connector.close()
            await connector.close()

        asyncio.run(run())
        assert wire.asked == [], "opening it asked the system for something"
