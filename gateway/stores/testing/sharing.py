"""What several gateways on one store need of it: to hear of each other, leases, and log-ons in versions."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from sso.session import token_hash

from ..base import key_hash
from .samples import MAIN, NURSE, T0, Opened, session, shift


class SharingContract(Opened):
    """What a LeaseStore and an UpstreamStore keep, and what is heard."""

    async def test_parts_of_a_key_do_not_run_into_each_other(self) -> None:
        """Subject `a` in role `bc` is not subject `ab` in role `c` (HTTP-130)."""
        await self.store.put_shift(shift(principal=replace(NURSE, subject="a", role="bc")))
        assert await self.store.live_of(NURSE.issuer, "ab", "c", T0) is None
        await self.store.put_upstream(("a:b", "c"), b"jar", "session-1")
        assert await self.store.get_upstream(("a", "b:c")) is None

    async def test_an_upstream_session_belongs_to_its_whole_key(self) -> None:
        """Kept, replaced and deleted by (session, system)."""
        await self.store.put_upstream(("session-1", "pas"), b"jar", "session-1")
        latest = await self.store.put_upstream(("session-1", "pas"), b"jar 2", "session-1")
        assert await (await self.open()).get_upstream(("session-1", "pas")) == (latest, b"jar 2")
        assert await self.store.get_upstream(("session-2", "pas")) is None
        await self.store.delete_upstream(("session-1", "pas"))
        assert await self.store.get_upstream(("session-1", "pas")) is None

    async def test_a_log_on_s_version_never_comes_twice(self) -> None:
        """Also not after it was deleted, whoever writes; 0 where there is none."""
        key, other = ("session-1", "pas"), await self.open()
        seen = [await self.store.put_upstream(key, b"a", "session-1"), await other.put_upstream(key, b"b", "session-1")]
        assert await self.store.upstream_version(key) == seen[1]
        await other.delete_upstream(key)
        assert await self.store.upstream_version(key) == 0
        seen.append(await self.store.put_upstream(key, b"c", "session-1", after=0))
        assert None not in seen
        assert len(set(seen)) == 3
        assert await other.get_upstream(key) == (seen[2], b"c")
        assert await other.upstream_version(("session-2", "pas")) == 0

    async def test_a_log_on_is_kept_after_the_version_that_was_known_only(self) -> None:
        """Whoever has not heard of a newer one, or of its end, keeps nothing."""
        key, other = ("session-1", "pas"), await self.open()
        assert await self.store.put_upstream(key, b"never", "session-1", after=7) is None
        first = await self.store.put_upstream(key, b"first", "session-1", after=0)
        assert await other.put_upstream(key, b"late", "session-1", after=0) is None
        second = await other.put_upstream(key, b"second", "session-1", after=first)
        assert second is not None
        assert await self.store.put_upstream(key, b"late", "session-1", after=first) is None
        assert await self.store.get_upstream(key) == (second, b"second")
        await self.store.delete_upstream(key)
        assert await other.put_upstream(key, b"late", "session-1", after=second) is None
        assert await other.get_upstream(key) is None

    # What others have written

    async def test_whoever_asks_hears_what_others_have_written_and_not_its_own(self) -> None:
        """Shifts and sessions by their keys, once, from where it was."""
        other = await self.open()
        begun = await self.store.heard(None)
        assert begun.keys is None
        assert (await self.store.heard(begun.place)).keys == frozenset()
        await self.store.seat(shift("mine"), session("mine", "mine"), MAIN, token_hash("mine"))
        await other.seat(shift(), session(), MAIN, token_hash("token"))
        heard = await self.store.heard(begun.place)
        assert heard.keys is not None
        assert {key_hash("shift-1"), key_hash("session-1")} >= heard.keys
        await other.put_shift(shift(provider_away=True))
        await other.by_token(token_hash("token"))
        later = await self.store.heard(heard.place)
        assert later.keys == frozenset({key_hash("shift-1")})
        assert (await self.store.heard(later.place)).keys == frozenset()

    async def test_every_change_that_may_not_wait_is_heard(self) -> None:
        """A lock, an end, cookies that were forgotten or renewed; not when somebody was last seen."""
        other = await self.open()
        await self.store.seat(shift(), session(), MAIN, token_hash("token"))
        place = (await self.store.heard(None)).place
        await other.touch([session(last_seen=T0 + 60)])
        assert (await self.store.heard(place)).keys == frozenset()
        for change in (
            other.put_session(session(locked=T0 + 70, lock_reason="clinician")),
            other.forget_tokens("session-1"),
            other.renew_tokens("session-1", MAIN, token_hash("new"), T0 + 80),
            other.put_session(session(ended=T0 + 90)),
        ):
            await change
            heard = await self.store.heard(place)
            assert heard.keys == frozenset({key_hash("session-1")})
            place = heard.place

    # Leases

    async def test_a_lease_has_one_holder_and_a_fence_that_rises(self) -> None:
        """Until it is dropped; nobody drops or renews another's."""
        other = await self.open()
        first = await self.store.take_lease("refresh:shift-1", "gateway-1", 30.0)
        assert first is not None
        assert await other.take_lease("refresh:shift-1", "gateway-2", 30.0) is None
        assert await other.take_lease("refresh:shift-2", "gateway-2", 30.0) is not None
        assert await self.store.renew_lease("refresh:shift-1", "gateway-1", 30.0)
        assert not await other.renew_lease("refresh:shift-1", "gateway-2", 30.0)
        await other.drop_lease("refresh:shift-1", "gateway-2")
        assert await other.take_lease("refresh:shift-1", "gateway-2", 30.0) is None
        await self.store.drop_lease("refresh:shift-1", "gateway-1")
        second = await other.take_lease("refresh:shift-1", "gateway-2", 30.0)
        assert second is not None
        assert second > first

    async def test_a_holder_that_is_gone_blocks_nobody_longer_than_its_lease(self) -> None:
        """Then another takes it, with a higher fence, and the first cannot renew it any more."""
        other = await self.open()
        first = await self.store.take_lease("log-on", "gateway-1", 0.3)
        assert first is not None
        second: int | None = None
        async with asyncio.timeout(10):
            while second is None:
                second = await other.take_lease("log-on", "gateway-2", 30.0)
                await asyncio.sleep(0.02)
        assert second > first
        assert not await self.store.renew_lease("log-on", "gateway-1", 30.0)
