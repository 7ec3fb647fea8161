"""A shift's life with a provider that goes away and comes back: no order of steps lets anybody in but whoever is known, by their own
PIN, while it is away."""

from __future__ import annotations

import re
from typing import Any

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck, settings
from hypothesis.stateful import rule, run_state_machine_as_test

from gateway.config import load
from gateway.emergency import Emergency
from gateway.installation import opened_store
from sso.session import PIN
from sso.testing import Reply

from .front import MAIN
from .test_shift_life import BROWSERS, ShiftLife, browsers, people

METADATA = "/.well-known/openid-configuration"
PINS = {"n.okoye": "284917", "l.adler": "903715"}
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class EmergencyLife(ShiftLife):
    """The browsers are enrolled, and both clinicians have a PIN. `known` has signed on at the provider; `offline` are the browsers in
    which an emergency session is, seen or locked."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.known: set[str] = set()
        self.offline: set[int] = set()

    async def _open(self) -> None:
        await super()._open()
        for tab in self.tabs.values():
            await tab.enrol()
        async with opened_store(load(self.path, {})) as store:
            for person, pin in PINS.items():
                await store.put_factor(self.provider.issuer, person, PIN, CHEAP.hash(pin).encode())

    @rule()
    def goes_away(self) -> None:
        self.provider.replies[METADATA] = Reply(503)
        self.clock.step += 11
        self.away = True

    @rule()
    def comes_back(self) -> None:
        """And the gateway has noticed."""
        self.provider.replies.pop(METADATA, None)
        self.clock.step += 31
        self.away = False
        self.run(self.house.running.gateway._app._sign_on._presence.watch())  # type: ignore[attr-defined]  # inside, for the test

    @rule(browser=browsers, person=people)
    def sign_on(self, browser: int, person: str) -> None:
        """At a browser that nobody has locked. While the provider is away nobody gets further than our own page."""
        if self.at_lock[browser] is not None:
            return
        self._is(person)
        self.run(self.tabs[browser].sign_on())
        if not self.away:
            self.may[browser] = person
            self.known.add(person)
            self.offline.discard(browser)

    @rule(browser=browsers, person=people, right=people)
    def emergency(self, browser: int, person: str, right: str) -> None:
        """`right`: whose PIN is typed in `person`'s name."""
        tab = self.tabs[browser]

        async def try_it() -> None:
            form = {"who": person, "pin": PINS[right], **await tab.proof("emergency")}
            await tab.post(f"{MAIN}/emergency", form)

        free = self.at_lock[browser] is None and self.may[browser] is None
        self.run(try_it())
        if free and self.away and person in self.known and right == person:
            self.may[browser] = person
            self.offline.add(browser)

    @rule(browser=browsers, person=people)
    def unlock(self, browser: int, person: str) -> None:
        """By signing on again. An emergency session is not taken up by that: its clinician begins a confirmed shift."""
        if (owner := self.at_lock[browser]) is None:
            return
        self._is(person)
        tab = self.tabs[browser]

        async def again() -> bool:
            sent = await tab.post(f"{MAIN}/unlock/again", await tab.proof("unlock"))
            if sent.status_code != 303:
                return False
            await tab.follow(sent.headers["location"])
            return True

        left = self.run(again())
        assert left is not self.away
        if self.away:
            return
        taken_up = browser not in self.offline and person == owner
        self.may[browser], self.at_lock[browser] = person, None
        self.known.add(person)
        self.offline.discard(browser)
        if taken_up:
            self._elsewhere_locked(person, browser)

    @rule(browser=browsers, right=people)
    def unlock_by_pin(self, browser: int, right: str) -> None:
        if (owner := self.at_lock[browser]) is None or right != owner:
            return
        tab = self.tabs[browser]

        async def unlocked() -> None:
            await tab.post(f"{MAIN}/unlock", {"pin": PINS[right], **await tab.proof("unlock")})

        self.run(unlocked())
        self.may[browser], self.at_lock[browser] = owner, None
        self._elsewhere_locked(owner, browser)

    @rule(browser=browsers)
    def sign_off(self, browser: int) -> None:
        self.run(self.tabs[browser].post(f"{MAIN}/sign-off"))
        self.may[browser] = self.at_lock[browser] = None
        self.offline.discard(browser)

    @rule(browser=browsers)
    def sign_off_everywhere(self, browser: int) -> None:
        """Of this shift: an emergency one is one browser's, and ends with it alone."""
        person, offline = self.may[browser], browser in self.offline
        self.run(self.tabs[browser].post(f"{MAIN}/sign-off", {"everywhere": "yes"}))
        for other in BROWSERS:
            same = not offline and other not in self.offline
            if other == browser or (person and same and person in (self.may[other], self.at_lock[other])):
                self.may[other] = self.at_lock[other] = None
        self.offline.discard(browser)

    @rule(giver=browsers, taker=browsers)
    def hand_off(self, giver: int, taker: int) -> None:
        """From a browser that is signed on, freshly proved; an emergency session hands nothing on."""
        person = self.may[giver]
        if person is None or self.may[taker] or self.at_lock[taker]:
            return
        gives, takes = self.tabs[giver], self.tabs[taker]

        async def hand() -> bool:
            asked = await takes.post(f"{MAIN}/handoff", await takes.proof("hand-off"))
            code = re.search(r'aria-label="Code">([^<]+)<', asked.text)
            if code is None:
                return False  # too many in a minute
            await gives.post(f"{MAIN}/handoff/look", {"code": code[1]})
            form = {"code": code[1], "answer": "yes", **await gives.proof("hand-off")}
            number = re.search(r'aria-label="Number">(\d+)<', (await gives.post(f"{MAIN}/handoff/confirm", form)).text)
            if number is None:
                return False
            form = {"number": number[1], **await takes.proof("hand-off")}
            return (await takes.post(f"{MAIN}/handoff/take", form)).headers.get("location") == "/"

        handed = self.run(hand())
        assert not (handed and giver in self.offline)
        if handed:
            self.may[taker] = person

    def shown(self, browser: int) -> Any:
        """Whoever signed on in an emergency is asked to sign on once the provider is back, and may go on."""
        tab = self.tabs[browser]
        page = self.run(tab.get(MAIN + "/"))
        if page.headers.get("location", "").startswith("/emergency/back"):
            assert browser in self.offline
            assert not self.away
            page = self.run(tab.get(MAIN + "/"))
        if page.status_code == 200:
            assert ("You signed on in an emergency" in page.text) == (browser in self.offline), browser
        return page


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a guess costs is tests/sso/test_unlock.py's."""
    monkeypatch.setattr("sso.unlock._HASHER", CHEAP)
    monkeypatch.setattr("sso.unlock.NOBODY_S", CHEAP.hash("no digits at all").encode())


@pytest.mark.slow
def test_no_order_of_steps_with_the_provider_away_shows_anybody_another_s_pages() -> None:
    """Emergency, away, back, and all that a shift's life is otherwise, in every order that chance finds."""
    run_state_machine_as_test(
        EmergencyLife,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_an_emergency_door_that_stands_open_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same machine turns red on a build whose emergency sign-on takes the provider for away at any time."""
    as_it_is = Emergency.by_pin

    async def open_door(emergency: Emergency, *given: Any) -> Any:
        emergency._presence = AlwaysAway()  # type: ignore[assignment]  # it is asked for nothing else
        return await as_it_is(emergency, *given)

    monkeypatch.setattr(Emergency, "by_pin", open_door)
    life = EmergencyLife()
    life.opened()
    life.sign_on(0, "n.okoye")
    life.each_browser_shows_its_own_clinician_or_nobody()
    life.emergency(1, "n.okoye", "n.okoye")
    with pytest.raises(AssertionError):
        life.each_browser_shows_its_own_clinician_or_nobody()
    life.teardown()


class AlwaysAway:
    async def look(self) -> bool:
        return True
