"""What is kept of people: their latest sign-ons, badges and credentials."""

from __future__ import annotations

from dataclasses import replace

from sso.badge import Badge, Holder
from sso.last_sign_on import LastSignOn

from ..base import SealedCredential
from .samples import NOKOYE, NURSE, T0, Opened


class PersonContract(Opened):
    """What a LastSignOnStore, a BadgeStore and a VaultStore keep."""

    async def test_a_last_sign_on_is_there_for_whoever_opens_the_store_next(self) -> None:
        """Field by field; by person, by either name in its plain form, and by what their passkeys call them."""
        await self.store.put_last_sign_on(NOKOYE, T0 + 9)
        other = await self.open()
        assert await other.last_sign_on(NURSE.issuer, NURSE.subject) == NOKOYE
        for name in ("n.okoye", "nokoye"):
            assert await other.last_sign_on_named(name) == NOKOYE
        assert await other.last_sign_on_by_handle(NOKOYE.handle) == NOKOYE
        assert await other.last_sign_on("https://other.example", NURSE.subject) is None
        assert await other.last_sign_on_named("N Okoye") is None
        assert await other.last_sign_on_by_handle(b"") is None

    async def test_the_latest_sign_on_takes_the_place_of_the_one_before(self) -> None:
        """With its names: one that is not theirs any more selects nobody."""
        await self.store.put_last_sign_on(NOKOYE, T0 + 9)
        later = replace(NOKOYE, at=T0 + 5, login="okoye2")
        await self.store.put_last_sign_on(later, T0 + 99)
        assert await self.store.last_sign_on_named("nokoye") is None
        assert await self.store.last_sign_on_named("okoye2") == later

    async def test_a_name_that_two_have_selects_neither(self) -> None:
        """Until one of them is forgotten."""
        await self.store.put_last_sign_on(NOKOYE, T0 + 9)
        other = LastSignOn(replace(NURSE, subject="nokoye", name="Another"), T0)
        await self.store.put_last_sign_on(other, T0 + 9)
        assert await self.store.last_sign_on_named("nokoye") is None
        assert await self.store.last_sign_on_named("n.okoye") == NOKOYE
        assert await (await self.open()).forget_last_sign_on(NURSE.issuer, NURSE.subject)
        assert not await self.store.forget_last_sign_on(NURSE.issuer, NURSE.subject)
        assert await self.store.last_sign_on_named("nokoye") == other
        assert await self.store.last_sign_on_named("n.okoye") is None

    async def test_a_last_sign_on_is_swept_when_its_time_is_over(self) -> None:
        """It and its names, and nobody else's."""
        await self.store.put_last_sign_on(NOKOYE, T0 + 9)
        stays = LastSignOn(replace(NURSE, subject="stays"), T0)
        await self.store.put_last_sign_on(stays, T0 + 10)
        await self.come_to(T0 + 9)
        assert await self.store.last_sign_on(NURSE.issuer, NURSE.subject) is None
        assert await self.store.last_sign_on_named("nokoye") is None
        assert await self.store.last_sign_on_named("stays") == stays

    async def test_a_badge_is_one_person_s(self) -> None:
        """Found by its keyed hash alone; whoever comes second is refused; forgotten by its holder only, and then free."""
        first, second = Holder(NURSE.issuer, NURSE.subject), Holder(NURSE.issuer, "dr.lee")
        badge = Badge("b1", first, T0, "clinician")
        assert await self.store.put_badge("hash-1", badge)
        other = await self.open()
        assert not await other.put_badge("hash-1", Badge("b2", second, T0 + 1, "clinician"))
        assert await other.put_badge("hash-2", Badge("b3", first, T0 - 1, "import"))
        assert await other.badge("hash-1") == badge
        assert await other.badge("b1") is None
        assert [one.id for one in await other.badges_of(first)] == ["b3", "b1"]
        assert not await other.forget_badge(second, "b1")
        assert await other.forget_badge(first, "b1")
        assert not await other.forget_badge(first, "b1")
        assert await self.store.put_badge("hash-1", Badge("b2", second, T0 + 1, "clinician"))

    async def test_a_credential_is_kept_under_the_data_key_that_stands_there(self) -> None:
        """The first brings its data key; whoever sealed under another keeps nothing, and starts again."""
        first, second = SealedCredential("k1", "about", "value"), SealedCredential("k2", "about", "value")
        assert await self.store.put_credential("person", "wrapped", first)
        other = await self.open()
        assert not await other.put_credential("person", "another", second)
        assert await other.vault_key("person") == "wrapped"
        assert await other.credentials_of("person") == [first]
        assert await other.put_credential("person", "wrapped", SealedCredential("k1", "about 2", "value 2"))
        assert await self.store.credential("k1") == SealedCredential("k1", "about 2", "value 2")
        assert await self.store.credential("k2") is None
        assert await self.store.credentials_of("somebody else") == []

    async def test_words_about_a_credential_do_not_outlive_it(self) -> None:
        """What is noted of a value that was replaced meanwhile is lost, not written beside the new one."""
        await self.store.put_credential("person", "wrapped", SealedCredential("k1", "new", "value"))
        await self.store.note_credential(SealedCredential("k1", "used", "value"))
        assert await self.store.credential("k1") == SealedCredential("k1", "used", "value")
        await self.store.note_credential(SealedCredential("k1", "refused", "an older value"))
        assert await self.store.credential("k1") == SealedCredential("k1", "used", "value")

    async def test_a_data_key_goes_with_the_last_credential(self) -> None:
        """Nobody forgets for somebody else, and the key stays while anything is sealed under it."""
        for key in ("k1", "k2"):
            await self.store.put_credential("person", "wrapped", SealedCredential(key, "about", "value"))
        assert not await self.store.forget_credential("somebody else", "k1")
        assert await self.store.forget_credential("person", "k1")
        assert await self.store.vault_key("person") == "wrapped"
        assert await self.store.forget_credential("person", "k2")
        assert await self.store.vault_key("person") is None
        assert not await self.store.forget_credential("person", "k2")

    async def test_a_data_key_is_wrapped_again_once(self) -> None:
        """The second of two who rotate at the same time changes nothing."""
        await self.store.put_credential("person", "old", SealedCredential("k1", "about", "value"))
        assert await self.store.rewrap_vault_key("person", "old", "new")
        assert not await (await self.open()).rewrap_vault_key("person", "old", "newer")
        assert await self.store.vault_keys() == [("person", "new")]
