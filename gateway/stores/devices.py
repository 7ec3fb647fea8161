"""Enrolled devices in SQL, and which sessions are seated on them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select

from sso.device import Certificate, Enrolment
from sso.errors import DeviceRefused, StoreUnavailable
from sso.seal import SealError
from sso.session import Session

from .base import key_hash
from .rows import Rows, put_row
from .schema import devices, seated_on, sessions
from .values import enrolment_of, enrolment_value


class DeviceRows(Rows):
    """The part of SqlStore that is a DeviceStore."""

    def _put_session(self, c: Connection, session: Session) -> None:
        raise NotImplementedError

    def _session(self, hashed: str, value: str) -> Session:
        raise NotImplementedError

    async def put_device(self, enrolment: Enrolment) -> None:
        await self._do(lambda c: self._put_device(c, enrolment))

    def _put_device(self, c: Connection, enrolment: Enrolment) -> None:
        hashed, certificate = key_hash(enrolment.id), enrolment.certificate
        row = {
            "id": hashed,
            "certificate": key_hash(certificate.issuer, certificate.subject) if certificate else None,
            "owner": key_hash(*enrolment.owner) if enrolment.owner else None,
            "created": enrolment.created,
            "revoked": enrolment.revoked,
            "value": self._seal.seal(json.dumps(enrolment_value(enrolment)).encode(), purpose=f"device:{hashed}"),
        }
        put_row(c, devices, row, "id", devices.c.revoked.is_(None))

    async def device(self, device_id: str) -> Enrolment | None:
        found = await self._devices(select(devices.c.id, devices.c.value).where(devices.c.id == key_hash(device_id)))
        return found[0] if found else None

    async def device_by_certificate(self, certificate: Certificate) -> Enrolment | None:
        """The one in use comes before any that was revoked."""
        named = devices.c.certificate == key_hash(certificate.issuer, certificate.subject)
        asked = select(devices.c.id, devices.c.value).where(named)
        found = await self._devices(asked.order_by(devices.c.revoked.is_not(None), devices.c.created.desc()).limit(1))
        return found[0] if found else None

    async def devices(self) -> list[Enrolment]:
        """Opened beside the store's thread: thousands take it a good part of a second, and sessions wait for it."""
        asked = select(devices.c.id, devices.c.value).order_by(devices.c.created.desc())
        rows = [(row.id, row.value) for row in await self._ask(lambda c: c.execute(asked).all())]
        try:
            return await asyncio.to_thread(lambda: [self._enrolment(*row) for row in rows])
        except SealError:
            raise StoreUnavailable("the store holds what `keys.seal` does not open: was the key replaced?") from None

    async def devices_of(self, issuer: str, subject: str) -> list[Enrolment]:
        own = devices.c.owner == key_hash(issuer, subject), devices.c.revoked.is_(None)
        return await self._devices(select(devices.c.id, devices.c.value).where(*own).order_by(devices.c.created.desc()))

    async def _devices(self, asked: Any) -> list[Enrolment]:
        return await self._ask(lambda c: [self._enrolment(hashed, value) for hashed, value in c.execute(asked)])

    def _enrolment(self, hashed: str, value: str) -> Enrolment:
        return enrolment_of(json.loads(self._seal.unseal(value, purpose=f"device:{hashed}")))

    async def amend_device(self, device_id: str, change: Callable[[Enrolment], Enrolment]) -> Enrolment | None:
        return await self._do(lambda c: self._amend_device(c, key_hash(device_id), change))

    def _amend_device(self, c: Connection, hashed: str, change: Callable[[Enrolment], Enrolment]) -> Enrolment | None:
        in_use = select(devices.c.value).where(devices.c.id == hashed, devices.c.revoked.is_(None))
        value = c.execute(in_use.with_for_update()).scalar()
        if value is None:
            return None
        enrolment = change(self._enrolment(hashed, value))
        self._put_device(c, enrolment)
        return enrolment

    async def sessions_on(self, device_id: str) -> list[Session]:
        found = await self._ask(lambda c: self._seated_on(c, key_hash(device_id)))
        return sorted(found, key=lambda session: -session.created)

    def _seated_on(self, c: Connection, hashed: str) -> list[Session]:
        seated = select(seated_on.c.session).where(seated_on.c.device == hashed)
        live = select(sessions.c.id, sessions.c.value).where(sessions.c.id.in_(seated), sessions.c.ended.is_(None))
        return [self._session(row.id, row.value) for row in c.execute(live).all()]

    async def revoke_device(self, device_id: str, now: float) -> list[Session]:
        hashed = key_hash(device_id)

        def work(c: Connection) -> list[Session]:
            if self._amend_device(c, hashed, lambda enrolment: replace(enrolment, revoked=now)) is None:
                return []
            ended = self._seated_on(c, hashed)
            for session in ended:
                session.ended, session.end_reason = now, "device-revoked"
                self._put_session(c, session)
            self._tell(c, *(key_hash(session.id) for session in ended))
            return ended

        return await self._do(work)


def refuse_revoked(c: Connection, device_id: str) -> None:
    """Between a device's proof and the seat, somebody may have revoked it; from here to the seat nobody does. Raises DeviceRefused."""
    if device_id:
        known = select(devices.c.revoked).where(devices.c.id == key_hash(device_id))
        if c.execute(known.with_for_update(read=True)).scalar() is not None:
            raise DeviceRefused("device-revoked", "this device was taken out of use")
