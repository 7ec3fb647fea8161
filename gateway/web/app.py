"""The main host as a Starlette application: which path is which page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..edge.csrf import SAFE
from .badge import BadgePages
from .device_changes import DeviceChanges
from .device_desk import DeviceDesk
from .devices import DevicePages
from .emergency import EmergencyPages
from .entering import Entering
from .handoff import HandOff
from .launch import LaunchPages
from .launchpad import Launchpad
from .passkey import Passkeys
from .public_keys import PublicKeys
from .refusals import Refusals
from .signoff import SignOff
from .signon import SignOn
from .step_up import StepUpPages
from .unlock import Unlock
from .vault import VaultPages
from .vouch import VouchPages

Page = Callable[[Request], Awaitable[Response]]
STATIC = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".svg": "image/svg+xml", ".js": "text/javascript"}


# What a locked session may still ask for.
_AT_LOCK = frozenset(
    {
        "/unlock",
        "/unlock/again",
        "/unlock/passkey",
        "/unlock/passkey/options",
        "/lock",
        "/switch",
        "/badge",
        "/badge/pin",
        "/device/challenge",
        "/device/enrol",
        "/sign-off",
        "/signed-off",
    }
)


def main_site(
    sign_on: SignOn,
    sign_off: SignOff,
    launchpad: Launchpad,
    entering: Entering,
    hand_off: HandOff,
    unlock: Unlock,
    vault: VaultPages,
    devices: DevicePages,
    passkeys: Passkeys,
    emergency: EmergencyPages,
    vouch: VouchPages,
    step_up: StepUpPages,
    desk: DeviceDesk,
    changes: DeviceChanges,
    refusals: Refusals,
    public_origin: str,
    badges: BadgePages | None,
    public_keys: PublicKeys,
    launches: LaunchPages,
) -> Starlette:
    """Every page of ours; a POST must come from our own pages (but for the provider's back-channel), and what a locked session asks
    for is answered by the page that unlocks it."""

    async def not_found(request: Request, error: Exception) -> Response:
        headers = tuple(request.scope["headers"])
        return refusals.not_found(request.method, headers)

    async def passed_on(request: Request, error: Exception) -> Response:
        raise error  # Starlette's own 500 would hide what the gateway's table says: 503, and why

    def own(page: Page) -> Page:
        async def guarded(request: Request) -> Response:
            if request.method not in SAFE and not _from_own_page(request, public_origin):
                return refusals.cross_site(request.method, tuple(request.scope["headers"]))
            if request.scope["path"] not in _AT_LOCK and (locked := await unlock.instead(request)) is not None:
                return locked
            return await page(request)

        return guarded

    return Starlette(
        routes=[
            Route("/", own(launchpad.home)),
            Route("/sign-on", own(sign_on.page)),
            Route("/sign-on/start", own(sign_on.start), methods=["GET", "POST"]),
            Route("/sign-on/callback", sign_on.callback, methods=["GET", "POST"]),
            Route("/sign-off", own(sign_off.sign_off), methods=["POST"]),
            Route("/signed-off", own(sign_off.signed_off)),
            Route("/go-on", own(unlock.go_on)),
            Route("/unlock", own(unlock.page)),
            Route("/unlock", own(unlock.by_pin), methods=["POST"]),
            Route("/unlock/again", own(unlock.again), methods=["POST"]),
            Route("/unlock/passkey/options", own(passkeys.ask_proof), methods=["POST"]),
            Route("/unlock/passkey", own(passkeys.unlock), methods=["POST"]),
            Route("/shift/passkey", own(passkeys.page)),
            Route("/shift/passkey/options", own(passkeys.ask_new), methods=["POST"]),
            Route("/shift/passkey", own(passkeys.keep_new), methods=["POST"]),
            Route("/step-up", own(step_up.page)),
            Route("/step-up/sign-on", own(step_up.sign_on), methods=["POST"]),
            Route("/step-up/pin", own(step_up.by_pin), methods=["POST"]),
            Route("/step-up/passkey/options", own(passkeys.ask_step_up), methods=["POST"]),
            Route("/step-up/passkey", own(passkeys.step_up), methods=["POST"]),
            Route("/lock", own(unlock.lock), methods=["POST"]),
            Route("/switch", own(unlock.switch), methods=["POST"]),
            Route("/shift/pin", own(unlock.pin_page)),
            Route("/shift/pin", own(unlock.set_pin), methods=["POST"]),
            Route("/backchannel-logout", sign_off.backchannel, methods=["POST"]),
            Route("/.well-known/jwks.json", public_keys.jwks),
            Route("/enter", own(entering.enter)),
            Route("/enter", own(entering.proved), methods=["POST"]),
            Route("/open/{system}", own(launches.page)),
            Route("/open/{system}", own(launches.open), methods=["POST"]),
            Route("/open/{system}/file", own(launches.file)),
            Route("/shift", own(launchpad.shift)),
            Route("/shift/end", own(launchpad.end_session), methods=["POST"]),
            Route("/downtime", own(launchpad.downtime)),
            Route("/handoff", own(hand_off.ask), methods=["POST"]),
            Route("/handoff/waiting", own(hand_off.waiting)),
            Route("/handoff/answer", own(hand_off.answer)),
            Route("/handoff/take", own(hand_off.take), methods=["POST"]),
            Route("/handoff/give", own(hand_off.give)),
            Route("/handoff/look", own(hand_off.look), methods=["POST"]),
            Route("/handoff/claimed", own(hand_off.claimed)),
            Route("/handoff/confirm", own(hand_off.confirm), methods=["POST"]),
            Route("/vault", own(vault.overview)),
            Route("/vault/{system}", own(vault.ask), methods=["GET", "POST"]),
            Route("/vault/{system}/forget", own(vault.forget), methods=["POST"]),
            Route("/emergency", own(emergency.page)),
            Route("/emergency", own(emergency.by_pin), methods=["POST"]),
            Route("/emergency/passkey/options", own(emergency.ask_passkey), methods=["POST"]),
            Route("/emergency/passkey", own(emergency.by_passkey), methods=["POST"]),
            Route("/emergency/back", own(emergency.back)),
            Route("/vouch", own(vouch.page)),
            Route("/vouch", own(vouch.look), methods=["POST"]),
            Route("/vouch/yes", own(vouch.yes), methods=["POST"]),
            Route("/device/enrol", own(devices.invited)),
            Route("/device/enrol", own(devices.enrol), methods=["POST"]),
            Route("/device/own", own(devices.enrol_own), methods=["POST"]),
            Route("/device/remove", own(devices.remove), methods=["POST"]),
            Route("/device/challenge", own(devices.challenge), methods=["POST"]),
            *_of_devices(desk, changes, own),
            *(_of_badges(badges, own) if badges else ()),
        ],
        exception_handlers={404: not_found, 405: not_found, Exception: passed_on},
    )


def _of_devices(desk: DeviceDesk, changes: DeviceChanges, own: Callable[[Page], Page]) -> list[Route]:
    both, one = ["GET", "POST"], "/security/devices/{device}"
    return [
        Route("/security/devices", own(desk.all), methods=both),
        Route("/security/devices/report", own(desk.report)),
        Route("/security/devices/enrol", own(changes.enrol), methods=both),
        Route(one, own(desk.one)),
        Route(f"{one}/opened", own(desk.opened)),
        Route(f"{one}/renew", own(changes.renew), methods=both),
        Route(f"{one}/name", own(changes.name), methods=both),
        Route(f"{one}/approve", own(changes.approve), methods=both),
        Route(f"{one}/revoke", own(changes.revoke), methods=both),
    ]


def _of_badges(badges: BadgePages, own: Callable[[Page], Page]) -> list[Route]:
    return [
        Route("/badge", own(badges.tap), methods=["POST"]),
        Route("/badge/pin", own(badges.prove), methods=["POST"]),
        Route("/shift/badge", own(badges.page)),
        Route("/shift/badge", own(badges.register), methods=["POST"]),
        Route("/shift/badge/forget", own(badges.forget), methods=["POST"]),
    ]


def _from_own_page(request: Request, public_origin: str) -> bool:
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    return site == "same-origin" if site else origin == public_origin


def static(name: str) -> Response | None:
    """A file of ours, the same on every origin; None for any other name."""
    path = STATIC / name
    if path.parent != STATIC or path.suffix not in _TYPES or not path.is_file():
        return None
    headers = {"cache-control": "public, max-age=3600", "x-content-type-options": "nosniff"}
    return Response(path.read_bytes(), media_type=_TYPES[path.suffix], headers=headers)
