"""Sessions' cookies in Redis, as hashes with their host and end, and the seat that begins with one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf

from sso.errors import DeviceRefused, StoreUnavailable
from sso.session import Session
from sso.shift import Shift

from ..base import Cookie, key_hash
from .plan import Plan
from .scripts import COOKIE, at
from .sessions import SESSION, TOKEN, TOKENS, SessionKeys
from .shifts import SHIFT

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
            if at(SESSION, key_hash(cookie.session.id)) in known or at(TOKEN, hashed) in known:
                return Plan()
            return self._plan_seat(known, cookie.shift, cookie.session, cookie.host, hashed, cookie.until)

        await self._plans.settle(make, if_room=True)

    def _plan_seat(
        self, known: Mapping[str, str], shift: Shift, session: Session, host: str, hashed: str, until: float
    ) -> Plan:
        plan = Plan()
        if session.device.id:
            revoked = at(REVOKED, key_hash(session.device.id))
            plan.mind(revoked, None)
            if revoked in known:
                raise DeviceRefused("device-revoked", "this device was taken out of use")
        plan.mind(at(TOKEN, hashed), None)
        self._plan_shift(plan, known, shift)
        self._plan_session(plan, known, session)
        self._plan_token(plan, session.id, host, hashed, until)
        return plan

    async def by_token(self, hashed: str) -> Cookie | None:
        """What a cookie's hash stands for, also where it has lapsed."""
        found = await self.cookie(hashed)
        return found if isinstance(found, Cookie) else None

    async def cookie(self, hashed: str) -> Cookie | bool:
        """Where it stands for nothing: whether it is known to have been taken back."""
        key = at(TOKEN, hashed)
        token, *rest = await self._server.run(COOKIE, [key], [at(SESSION, ""), at(SHIFT, "")])
        if len(rest) < 2 or rest[1] is None:
            return bool(token == _BURIED)
        session_id, host, until = self._token(hashed, token)
        session = self._session(key_hash(session_id), rest[0])
        return Cookie(session, self._shift(key_hash(session.shift_id), rest[1]), host, until)

    async def add_token(self, session_id: str, host: str, hashed: str, until: float = inf) -> None:
        session, plan = key_hash(session_id), Plan()
        if until < inf:
            for lapsed in _lapsed(await self._tokens(session), host, until):
                plan.drop(at(TOKEN, lapsed))
                plan.unlist(at(TOKENS, session), lapsed)
        self._plan_token(plan, session_id, host, hashed, until)
        await self._plans.apply([plan])

    async def forget_tokens(self, session_id: str) -> None:
        plan = Plan()
        session = key_hash(session_id)
        plan.bury_listed(at(TOKENS, session), at(TOKEN, ""))
        plan.say(session)
        await self._plans.apply([plan])

    async def renew_tokens(self, session_id: str, host: str, hashed: str, now: float) -> None:
        session = key_hash(session_id)
        for _ in range(10):
            tokens = await self._tokens(session)
            plan = Plan()
            plan.mind_listed(at(TOKENS, session), list(tokens))
            for known, (_, elsewhere, until) in tokens.items():
                if elsewhere == host:
                    plan.bury(at(TOKEN, known))
                    plan.unlist(at(TOKENS, session), known)
                else:
                    self._plan_token(plan, session_id, elsewhere, known, min(until, now))
            self._plan_token(plan, session_id, host, hashed, inf)
            plan.say(session)
            if (await self._plans.apply([plan]))[0] is None:
                return
        raise StoreUnavailable("too many wrote the same at once")

    async def keep_only(self, session_id: str, hashes: frozenset[str]) -> None:
        """Every other cookie of this session that lasts is worth nothing from here on.

        Where there is such a one, or none that lasts, cookies were taken back that this server has not heard of: then those for a few
        minutes, of which nobody else knows, go too. Otherwise they stay, and whoever is at work notices nothing.
        """
        session, plan = key_hash(session_id), Plan()
        tokens = await self._tokens(session)
        lasting = {hashed for hashed, (_, _, until) in tokens.items() if until == inf}
        if lasting and lasting <= hashes:
            return
        for other in tokens.keys() - hashes:
            plan.bury(at(TOKEN, other))
            plan.unlist(at(TOKENS, session), other)
        await self._plans.apply([plan])

    def _plan_token(self, plan: Plan, session_id: str, host: str, hashed: str, until: float) -> None:
        said = [session_id, host, until if until < inf else None]
        session, sealed = key_hash(session_id), self._sealed(json.dumps(said).encode(), TOKEN, hashed)
        listed = at(TOKENS, session)
        plan.put_beside(at(TOKEN, hashed), f"{session} {sealed}", at(SESSION, session), listed, hashed)

    async def _tokens(self, session: str) -> dict[str, tuple[str, str, float]]:
        """Those of a session, by its hash."""
        found = await self._listed(at(TOKENS, session), TOKEN)
        return {hashed: self._token(hashed, value) for hashed, value in found.items() if value != _BURIED}

    def _token(self, hashed: str, value: str) -> tuple[str, str, float]:
        """Session, host and end."""
        session_id, host, until = json.loads(self._opened(value.partition(" ")[2], TOKEN, hashed))
        return session_id, host, inf if until is None else until


def _lapsed(tokens: Mapping[str, tuple[str, str, float]], host: str, until: float) -> list[str]:
    """All but the newest: a browser may have been given that one and not have taken it."""
    lives = sorted((life, hashed) for hashed, (_, at, life) in tokens.items() if at == host and life < until)
    return [hashed for _, hashed in lives[:-1]]
