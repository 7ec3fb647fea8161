"""One shift at two gateways: what the provider said last holds, whichever gateway it said it to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.sessions import Seat, Sessions
from gateway.stores.sqlite import SqliteStore
from policies.model import Device, Principal
from sso.provider import SignedOn
from sso.seal import Seal, new_key
from sso.shift import Shift

NURSE = Principal("https://op", "n-1", "N Okoye", "nurse", frozenset({"nurse"}))
Two = tuple[Sessions, Sessions]


def answer(token: str) -> SignedOn:
    """The provider's, with a refresh token that is good once."""
    return SignedOn(
        claims=None,  # type: ignore[arg-type]  # nobody looks at them here
        principal=NURSE,
        auth_time=1000.0,
        acr="",
        amr=(),
        expires=2000.0,
        provider_session=f"s-{token}",
        id_token=token,
        refresh_token=token,
        local_id="",
    )


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Two]:
    """Two gateways over one store, the second of which has not heard of anything since a moment ago."""
    seal = Seal.of(new_key().encode())
    stores = [SqliteStore(tmp_path / "lanyard.db", seal, shared=True) for _ in range(2)]
    here, there = (Sessions(store, lambda: 1000.0, longest=43200.0) for store in stores)
    yield here, there
    for store in stores:
        await store.close()


async def signed_on(at: Sessions, token: str) -> Seat:
    seat, _, _ = await at.sign_on(answer(token), Device(), "records.test", idle=300, previous=None)
    return seat


async def at_the_other(both: Two, token: str) -> tuple[Shift, Shift]:
    """A shift as both gateways know it, each by an object of its own."""
    here, there = both
    seat = await signed_on(here, token)
    other = await there.seat_of(seat.session.id)
    assert other is not None
    assert other.shift is not seat.shift
    return seat.shift, other.shift


async def test_a_sign_on_at_one_keeps_what_the_other_was_given(both: Two) -> None:
    """Claims were renewed here; a sign-on there, which has the shift of before, is the next renewal and not the same one."""
    here, there = both
    shift, other = await at_the_other(both, "one")
    await here.confirmed(shift, answer("two"))
    await here.confirmed(shift, answer("three"))
    again = (await signed_on(there, "four")).shift
    assert again.id == other.id
    assert (await here.latest(shift)).refresh_token == "four"
    assert again.renewed > 2


async def test_an_older_shift_takes_no_token_back(both: Two) -> None:
    """Whoever writes something else of it, an end that is put off, has the token of before."""
    here, there = both
    shift, other = await at_the_other(both, "one")
    await here.confirmed(shift, answer("two"))
    await there.provider_away(other)
    assert (await here.latest(shift)).refresh_token == "two"
    assert (await there.latest(other)).refresh_token == "two"


async def test_a_token_that_was_used_up_takes_only_itself_along(both: Two) -> None:
    """The provider wants a page after the first; a sign-on at the other gateway has brought another since."""
    here, there = both
    shift, other = await at_the_other(both, "one")
    await here.confirmed(shift, answer("two"))
    await there.asked_with_a_page(other, "one")
    assert (await here.latest(shift)).refresh_token == "two"
    await there.asked_with_a_page(other, "two")
    assert (await here.latest(shift)).refresh_token == ""


async def test_what_has_ended_there_is_not_begun_again_by_a_renewal_here(both: Two) -> None:
    """An answer of the provider that came late."""
    here, there = both
    shift, other = await at_the_other(both, "one")
    await there.end_shift(other, "clinician")
    await here.confirmed(shift, answer("two"))
    latest = await here.latest(shift)
    assert (latest.ended, latest.end_reason) == (1000.0, "clinician")
