"""Values that are good once, what clinicians unlock with, and counts."""

from __future__ import annotations

from .samples import NURSE, T0, Opened


class CodeContract(Opened):
    """What a CodeStore and a FactorStore keep."""

    async def test_a_code_is_good_once_until_its_time_and_for_its_kind(self) -> None:
        """The second taker, a late one, and one of another kind get nothing."""
        await self.store.put_code("enter", "code", b"value", T0 + 30)
        other = await self.open()
        assert await other.take_code("ticket", "code", T0) is None
        assert await other.read_code("enter", "code", T0) == b"value"
        assert await other.take_code("enter", "code", T0 + 29) == b"value"
        assert await self.store.take_code("enter", "code", T0 + 29) is None
        await self.store.put_code("enter", "late", b"value", T0 + 30)
        assert await self.store.read_code("enter", "late", T0 + 30) is None
        assert await self.store.take_code("enter", "late", T0 + 30) is None

    async def test_a_token_id_is_new_once(self) -> None:
        """A log-out token's id is remembered until the token could not be used any more."""
        assert await self.store.first_time("logout-token", "jti", T0 + 60, T0)
        assert not await (await self.open()).first_time("logout-token", "jti", T0 + 60, T0 + 59)
        assert await self.store.first_time("logout-token", "jti", T0 + 120, T0 + 60)

    async def test_a_factor_belongs_to_its_person_and_kind(self) -> None:
        """Kept, replaced, and nobody else's."""
        await self.store.put_factor(NURSE.issuer, NURSE.subject, "pin", b"hash")
        await self.store.put_factor(NURSE.issuer, NURSE.subject, "pin", b"hash 2")
        other = await self.open()
        assert await other.factor(NURSE.issuer, NURSE.subject, "pin") == b"hash 2"
        assert await other.factor(NURSE.issuer, NURSE.subject, "passkey") is None
        assert await other.factor("https://other.example", NURSE.subject, "pin") is None

    async def test_tries_are_counted_by_whoever_counts(self) -> None:
        """Until they are cleared, or the time of the first is over."""
        other = await self.open()
        assert await self.store.tally("pin", "n.okoye", T0, T0 + 60) == 1
        assert await other.tally("pin", "n.okoye", T0 + 30, T0 + 90) == 2
        assert await other.tally("pin", "dr.lee", T0 + 30, T0 + 90) == 1
        assert await self.store.tally("pin", "n.okoye", T0 + 60, T0 + 120) == 1
        await self.store.clear_tally("pin", "n.okoye")
        assert await other.tally("pin", "n.okoye", T0 + 61, T0 + 121) == 1

    async def test_a_count_can_be_taken_back(self) -> None:
        """One, and not below nothing."""
        for _ in range(3):
            await self.store.tally("pin-device", "pc", T0, T0 + 60)
        await self.store.take_back("pin-device", "pc")
        await self.store.take_back("pin-device", "other")
        assert await self.store.tally("pin-device", "pc", T0, T0 + 60) == 3
