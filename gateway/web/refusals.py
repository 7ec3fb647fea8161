"""What a person (or a script) is told instead of an answer: what, under which rule, what would help."""

from __future__ import annotations

import re
import secrets
from dataclasses import asdict, dataclass

from starlette.responses import Response

from connectors.messages import Headers
from policies.decision import Deny, Remedy

from ..edge.origins import Asked, asked
from ..errors import CookieLapsed, CrossSite, Fault, SessionLocked, fault_for
from ..kept import LIFE
from ..systems import System
from .render import Renderer, sentence, wants_page

REMEDIES = {
    Remedy.STEP_UP: "Show once more that it is you.",
    Remedy.BREAK_GLASS: "In an emergency, ask for emergency access. It will be reviewed.",
    Remedy.CLAIM_RELATIONSHIP: "Say that this patient is in your care.",
    Remedy.UNLOCK: "Unlock this session.",
    Remedy.ENROL_DEVICE: "Use a device that the hospital knows, or work from inside the hospital.",
}


_PASSES = {"session-unavailable"}  # what a look may meet for a moment: its page tries again by itself
_AGAIN, _SPREAD = 3, 4  # seconds; spread, so that a whole ward does not come in one moment
_WAITS = "Wait: this page tries again by itself, every few seconds."
_NOW = ("", "Try again now")  # the page that was asked for
_GO_BACK = "Go back with your browser: what you typed should still be there. Send it again in a minute."
_LATER = "Try again in a minute."
_NOWHERE = ("", "")  # no button: it would lead away from what was typed
_HOME = ("/", "Back to all systems")
_STRONGER = {
    2: "Sign on once more, with your second factor.",
    3: "Sign on once more, with your strongest proof, such as your smartcard.",
}
_THEN = {
    "": " You come straight back here.",
    "kept": f" What you entered is kept for {round(LIFE / 60)} minutes: you see it again after that, and send it yourself.",
    "lost": " What you entered could not be kept: go back with your browser first, and copy it.",
}


@dataclass(frozen=True, slots=True)
class Onward:
    """The way over a proof."""

    address: str
    stronger: int  # the assurance of a sign-on that it takes, where this clinician's was weaker; else 0
    write: str = ""  # `kept` or `lost`: what became of what was sent; "" for a look

    @property
    def title(self) -> str:
        return "Not sent: nothing was changed" if self.write else "One more proof is needed"

    @property
    def says(self) -> str:
        return "Sign on with a stronger proof" if self.stronger else "Prove that it is you"


class Refusals:
    def __init__(self, renderer: Renderer, public_url: str) -> None:
        self._renderer = renderer
        self._public_url = public_url

    def denied(
        self,
        deny: Deny,
        method: str,
        headers: Headers,
        request: str,
        system: System | None,
        onward: Onward | None = None,
    ) -> Response:
        """`system`: None for a page of ours. `onward`: for a page, where a proof would turn it."""
        helps = [REMEDIES[remedy] for remedy in deny.remedies]
        if not wants_page(method, headers):
            return self._renderer.problem(
                403,
                deny.reason.code,
                deny.reason.text,
                rules=list(deny.reason.rules),
                remedies=[remedy.value for remedy in deny.remedies],
                request=request,
                **({"step_up": asdict(deny.step_up)} if deny.step_up else {}),
            )
        if onward:
            step_up = _STRONGER.get(onward.stronger, REMEDIES[Remedy.STEP_UP]) + _THEN[onward.write]
            helps = [step_up if help_ == REMEDIES[Remedy.STEP_UP] else help_ for help_ in helps]
        return self._message(
            403,
            onward.title if onward else "You may not open this",
            self.says(deny, system),
            helps=helps or ["If you need this for your work, ask the privacy office, and tell them the number below."],
            facts=self._facts(system, request, ", ".join(deny.reason.rules) or deny.reason.code),
            kind="refusal",
            framed=_in_frame(method, headers),
            link=(onward.address, onward.says) if onward else None,
        )

    def says(self, deny: Deny, system: System | None) -> str:
        """The rule's own sentence; where no rule spoke, a plain one."""
        if deny.reason.code == "no-permit":
            return f"Your role does not let you open this{f' in {system.title}' if system else ''}."
        if system is None:
            return _quoted(deny.reason.text)
        return _quoted(deny.reason.text.replace(f"`{system.name}`", f"`{system.title}`"))

    def failed(
        self, fault: Fault, method: str, headers: Headers, request: str, system: System | None, says: str = ""
    ) -> Response:
        """`says`: the error's own words, where they are made for people."""
        if not wants_page(method, headers):
            detail = f"{says}. {fault.remedy}" if says else fault.remedy
            return self._renderer.problem(fault.status, fault.code, fault.title, detail=detail, request=request)
        facts = self._facts(system, request, fault.code)
        if says and not fault.technical:
            lead = _quoted(says)
        else:
            lead = system.title if system else ""
            facts += [("Detail", _quoted(says))] if says else []
        if fault.code in _PASSES:
            return self._in_a_moment(fault, method, headers, facts, system)
        return self._message(
            fault.status,
            fault.title,
            lead,
            helps=[fault.remedy],
            facts=facts,
            kind="failure",
            framed=_in_frame(method, headers),
            onward=fault.onward,
        )

    def _in_a_moment(
        self, fault: Fault, method: str, headers: Headers, facts: list[tuple[str, str]], system: System | None
    ) -> Response:
        """A look is tried again by the page itself; whoever has written something is told that it went nowhere."""
        look = method == "GET"
        page = self._message(
            fault.status,
            "One moment" if look or system is None else f"Nothing was sent to {system.title}",
            f"{fault.title} just now.",
            helps=[_WAITS if look else _GO_BACK if system else _LATER, fault.remedy],
            facts=facts,
            kind="failure",
            framed=_in_frame(method, headers),
            link=_NOW if look else _NOWHERE if system else None,
        )
        if look:
            page.headers["refresh"] = str(_AGAIN + secrets.randbelow(_SPREAD))
        return page

    def signed_out(self, method: str, headers: Headers, *, framed: bool) -> Response:
        """A request without a session that cannot be sent to sign on."""
        if not framed and not wants_page(method, headers):
            return self._renderer.problem(401, "no-session", "You are not signed on", detail=self._public_url)
        return self._renderer.page(
            "message.html",
            401,
            title="You are not signed on",
            lead="Your session has ended. Nothing was sent.",
            helps=[],
            facts=[],
            kind="refusal",
            link=(self._public_url + "/", "Sign on"),
            home=self._public_url + "/",
            top=framed,
            framed=framed,
        )

    def locked(self, method: str, headers: Headers) -> Response:
        """A request of a locked session that cannot be sent to unlock it."""
        return self.failed(fault_for(SessionLocked()), method, headers, "", None)

    def lapsed(self, method: str, headers: Headers) -> Response:
        """A request by a lapsed cookie that cannot be sent to renew it."""
        return self.failed(fault_for(CookieLapsed()), method, headers, "", None)

    def not_found(self, method: str, headers: Headers) -> Response:
        if not wants_page(method, headers):
            return self._renderer.problem(404, "not-found", "There is no such page")
        return self._message(
            404,
            "There is no such page",
            "The address may be mistyped, or the page may have moved.",
            helps=[],
            facts=[],
            kind="refusal",
            framed=_in_frame(method, headers),
        )

    def cross_site(self, method: str, headers: Headers) -> Response:
        return self.failed(fault_for(CrossSite()), method, headers, "", None)

    def _facts(self, system: System | None, request: str, rule: str) -> list[tuple[str, str]]:
        facts = [("System", system.title)] if system else []
        if system and system.table.helpdesk:
            facts.append(("Helpdesk", system.table.helpdesk))
        if system and system.table.notice:
            facts.append(("Notice", system.table.notice))
        return [*facts, ("Reason", rule), *([("Number", request[:12])] if request else [])]

    def _message(
        self,
        status: int,
        title: str,
        lead: str,
        *,
        helps: list[str],
        facts: list[tuple[str, str]],
        kind: str,
        framed: bool,
        onward: tuple[str, str] = _HOME,
        link: tuple[str, str] | None = None,
    ) -> Response:
        """`onward`: a path of the main host; `link`: another address in its place."""
        path, says = onward
        return self._renderer.page(
            "message.html",
            status,
            title=title,
            lead=lead,
            helps=helps,
            facts=facts,
            kind=kind,
            link=link or (self._public_url + path, says),
            home=self._public_url + "/",
            top=True,
            framed=framed,
        )


def _in_frame(method: str, headers: Headers) -> bool:
    return asked(method, headers) is Asked.FRAME


def _quoted(text: str) -> str:
    """A reason's words as a page says them: a sentence, with quotation marks in place of backticks."""
    return sentence(re.sub(r"`([^`]*)`", r"“\1”", text).rstrip("."))
