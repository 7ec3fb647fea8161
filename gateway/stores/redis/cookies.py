"""Sessions' cookies in Redis, as hashes with their host and end, and the seat that begins with one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf

from sso.errors import DeviceRefused, StoreUnavailable
from sso.session import Session
from sso.shift import Shift

from ..base import Cookie, key_hash, outlived
from .kept import named, short
from .owned import COOKIE
from .plan import Plan
from .scripts import at
from .sessions import SESSION, TOKEN, SessionKeys

REVOKED = "revoked"  # a device that was taken out of use not long ago
_BURIED = "-"


class CookieKeys(SessionKeys):
    """The rest of a SessionStore."""

    async def seat(self, shift: Shift, session: Session, host: str, hashed: str) -> None:
        """A shift, a session in it and its first cookie, or nothing of the three. Raises DeviceRefused, StoreFull."""
        await self._plans.settle(lambda known: self._plan_seat(known, shift, session, host, hashed, inf), if_room=True)

    async def put_back(self, cookie: Cookie, hashed: str) -> None:
        """What was lost here and is known elsewhere; nothing where anything of it is here after all. Raises StoreFull."""

        def make(known: Mapping[str, str]) -> Plan:
            if at(SESSION, named(cookie.session.id)) in known or at(TOKEN, short(hashed)) in known:
                return Plan()
            return self._plan_seat(known, cookie.shift, cookie.session, cookie.host, hashed, cookie.until)

        await self._plans.settle(make, if_room=True)

    def _plan_seat(
        self, known: Mapping[str, str], shift: Shift, session: Session, host: str, hashed: str, until: float
    ) -> Plan:
        plan = Plan()
        if session.device.id:
            revoked = at(REVOKED, named(session.device.id))
            plan.mind(revoked, None)
            if revoked in known:
                raise DeviceRefused("device-revoked", "this device was taken out of use")
        plan.mind(at(TOKEN, short(hashed)), None)
        self._plan_shift(plan, known, shift)
        self._plan_session(plan, known, session)
        self._plan_token(plan, named(session.id), host, short(hashed), until)
        return plan

    async def by_token(self, hashed: str) -> Cookie | None:
        """What a cookie's hash stands for, also where it has lapsed."""
        found = await self.cookie(hashed)
        return found if isinstance(found, Cookie) else None

    async def cookie(self, hashed: str) -> Cookie | bool:
        """Where it stands for nothing: whether it is known to have been taken back."""
        name = short(hashed)
        token, *rest = await self._server.run(COOKIE, [at(TOKEN, name)])
        if len(rest) < 2 or rest[1] is None:
            return bool(token == _BURIED)
        session_name, host, until = self._token(name, token)
        session = self._session(session_name, rest[0])
        return Cookie(session, self._shift(named(session.shift_id), rest[1]), host, until)

    async def add_token(self, session_id: str, host: str, hashed: str, until: float = inf) -> None:
        session, plan = named(session_id), Plan()
        if until < inf:
            known = (await self._tokens(session)).items()
            for old in outlived((life, name) for name, (place, life) in known if place == host and life < until):
                plan.drop(at(TOKEN, old))
                plan.take_out(at(SESSION, session), f"{TOKEN}:{old}")
        self._plan_token(plan, session, host, short(hashed), until)
        await self._plans.apply([plan])

    async def forget_tokens(self, session_id: str) -> None:
        plan = Plan()
        plan.bury_belonging(at(SESSION, named(session_id)), TOKEN)
        plan.say(key_hash(session_id))
        await self._plans.apply([plan])

    async def renew_tokens(self, session_id: str, host: str, hashed: str, now: float) -> None:
        session = named(session_id)
        for _ in range(10):
            tokens = await self._tokens(session)
            plan = Plan()
            plan.mind_belonging(at(SESSION, session), TOKEN, list(tokens))
            for known, (elsewhere, until) in tokens.items():
                if elsewhere == host:
                    self._plan_burial(plan, session, known)
                else:
                    self._plan_token(plan, session, elsewhere, known, min(until, now))
            self._plan_token(plan, session, host, short(hashed), inf)
            plan.say(key_hash(session_id))
            if (await self._plans.apply([plan]))[0] is None:
                return
        raise StoreUnavailable("too many wrote the same at once")

    async def keep_only(self, session_id: str, hashes: frozenset[str]) -> None:
        """Every other cookie of this session that lasts is worth nothing from here on.

        Where there is such a one, or none that lasts, cookies were taken back that this server has not heard of: then those for a few
        minutes, of which nobody else knows, go too. Otherwise they stay, and whoever is at work notices nothing.
        """
        session, plan = named(session_id), Plan()
        tokens, kept = await self._tokens(session), {short(hashed) for hashed in hashes}
        lasting = {name for name, (_, until) in tokens.items() if until == inf}
        if lasting and lasting <= kept:
            return
        for other in tokens.keys() - kept:
            self._plan_burial(plan, session, other)
        await self._plans.apply([plan])

    def _plan_burial(self, plan: Plan, session: str, name: str) -> None:
        plan.bury(at(TOKEN, name))
        plan.take_out(at(SESSION, session), f"{TOKEN}:{name}")

    def _plan_token(self, plan: Plan, session: str, host: str, name: str, until: float) -> None:
        said = json.dumps([host, until if until < inf else None], separators=(",", ":"))
        owner = f"{SESSION}:{session}"
        sealed = self._sealed(said.encode(), f"{TOKEN} of {owner}", name)
        plan.put_beside(at(TOKEN, name), f"{owner}\n{sealed}", at(SESSION, session))

    async def _tokens(self, session: str) -> dict[str, tuple[str, float]]:
        """Those of a session, by its name: host and end of each."""
        found = await self._belonging(at(SESSION, session), TOKEN)
        return {name: self._token(name, value)[1:] for name, value in found.items() if value != _BURIED}

    def _token(self, name: str, value: str) -> tuple[str, str, float]:
        """The session's name, host and end. It is sealed for that session: one that is moved to another opens nothing."""
        owner, _, sealed = value.partition("\n")
        host, until = json.loads(self._opened(sealed, f"{TOKEN} of {owner}", name))
        return owner.partition(":")[2], host, inf if until is None else until
