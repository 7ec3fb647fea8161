"""One table: what went wrong, as a status, a code and words for a page.

Packages name their errors for the reaction they need; here, and nowhere else, they become HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass

from connectors import errors as connectors_errors
from sso import errors as sso_errors


class ConfigError(Exception):
    """The configuration may not be used. `problems` are whole sentences: file, key, remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class JournalUnavailable(Exception):
    """An event could not be made durable: nothing may be released. `reason` is a stable code."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason  # `reserve-used`, `disk-full`, `sync-failed`, `closed`


class SearchUnavailable(Exception):
    """The journal cannot be asked just now; what is done is written down all the same."""


class UpstreamUnavailable(connectors_errors.SystemUnavailable):
    """Connect refused, deadline passed, reset before an answer. `sent`: the system may have seen the request."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class WriteNotSent(Exception):
    """A write that was not sent, or that the system did not take since it had forgotten us. Never repeated by us."""


class OtherPatient(WriteNotSent):
    """A form that names nobody, written on one patient's page while the system has come to another's."""


class WriteUnknown(Exception):
    """A write that was sent, and whose answer never came: nobody but the system knows whether it was done."""


class OpenElsewhere(Exception):
    """The system lets a clinician be logged on once, and another of their sessions holds that log-on."""


class CrossSite(Exception):
    """A request that changes something did not come from a page of its own origin."""


class SessionLocked(Exception):
    """The session is locked: nothing was sent, nothing is shown."""


class CookieLapsed(Exception):
    """The session is in good order; its cookie at this system's host is to be renewed. Nothing was sent."""


class ClientGone(Exception):
    """The browser went away, or sent less than it declared: what it was writing is aborted, never completed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How a fault is answered."""

    status: int
    code: str  # stable, documented in docs/reasons.md
    title: str  # what happened, for the clinician
    remedy: str  # what to do now
    onward: tuple[str, str] = ("/", "Back to all systems")  # the page of the main host that helps, and its name
    technical: bool = False  # the error's own words are for the helpdesk: a page says them last


_KEPT = ("/vault", "Go to your kept log-ons")

FAULTS: tuple[tuple[type[Exception], Fault], ...] = (
    (
        connectors_errors.BodyTooLarge,
        Fault(
            413, "body-too-large", "That is too large to send here", "Send less at once, or ask the system's helpdesk."
        ),
    ),
    (
        connectors_errors.BadRequest,
        Fault(
            400, "bad-request", "That request could not be understood", "Go back and try again from the page before."
        ),
    ),
    (
        connectors_errors.AnswerTooLarge,
        Fault(
            502,
            "answer-too-large",
            "The answer is too large to check before showing it",
            "Ask for less at once (`_count`).",
        ),
    ),
    (
        connectors_errors.PasswordChangeDue,  # before CredentialRefused, which it is
        Fault(
            502,
            "password-change-due",
            "The system wants a new password from you",
            "Change it in the system itself, or with its helpdesk. Then give us the new one, under “Kept log-ons”.",
            _KEPT,
        ),
    ),
    (
        connectors_errors.CredentialRefused,
        Fault(
            502,
            "credential-refused",
            "The system refused your log-on",
            "Your password there may have changed. We have not tried again. Give us the new one, under “Kept log-ons”.",
            _KEPT,
        ),
    ),
    (
        connectors_errors.CredentialMissing,
        Fault(
            502,
            "credential-missing",
            "No log-on is kept for you in this system",
            "Give it once, under “Kept log-ons”: from then on the system opens by itself.",
            _KEPT,
        ),
    ),
    (
        connectors_errors.NotBrokered,
        Fault(403, "not-brokered", "This page is not connected", "Use the system's own menu, or ask its helpdesk."),
    ),
    (
        connectors_errors.SystemUnavailable,
        Fault(
            502,
            "system-unavailable",
            "The system does not answer",
            "Try again in a minute. Other systems are not affected.",
            technical=True,
        ),
    ),
    (
        connectors_errors.ConnectorError,
        Fault(
            502,
            "system-misbehaves",
            "The system gave an answer that cannot be passed on",
            "Try again, or ask the system's helpdesk.",
        ),
    ),
    (
        OtherPatient,
        Fault(
            409,
            "other-patient",
            "Not sent: nothing was changed",
            "Go back and copy what you typed. Open your patient again, look at the name, and send it from there.",
        ),
    ),
    (
        WriteNotSent,
        Fault(
            409,
            "write-not-sent",
            "Not sent: nothing was changed",
            "The system had logged you off. Go back, check patient and text, and send it again yourself.",
        ),
    ),
    (
        WriteUnknown,
        Fault(
            502,
            "write-unknown",
            "We cannot know whether this was saved",
            "Look in the system whether your entry is there before you send it again.",
        ),
    ),
    (
        OpenElsewhere,
        Fault(
            409,
            "open-elsewhere",
            "This system is open on another of your devices",
            "Sign off on the other device, or end it under “My shift”. Then open this system again here.",
            ("/shift", "Go to My shift"),
        ),
    ),
    (
        SessionLocked,
        Fault(
            401,
            "locked",
            "This session is locked",
            "Unlock it. Nothing was sent: go back then, check what you entered, and send it again.",
            ("/unlock", "Unlock"),
        ),
    ),
    (
        CookieLapsed,
        Fault(
            401,
            "renewal",
            "This page has to show anew that it is yours",
            "Nothing was sent. Open it once more: that is done by itself, without signing on.",
        ),
    ),
    (
        CrossSite,
        Fault(
            403,
            "cross-site",
            "That request came from another site",
            "Open the page from the launchpad and try again there.",
        ),
    ),
    (
        ConfigError,  # a file that was good at the start and is not any more
        Fault(
            503,
            "configuration-broken",
            "The gateway's own set-up is broken",
            "Tell the operators; they have been told which file it is.",
        ),
    ),
    (
        JournalUnavailable,
        Fault(
            503,
            "journal-unavailable",
            "Nothing can be shown: this look could not be written down",
            "Use the downtime procedure. The operators have been alarmed.",
        ),
    ),
    (
        SearchUnavailable,
        Fault(
            503,
            "search-unavailable",
            "The journal cannot be searched just now",
            "Try again in a minute. Whatever is done is written down all the same.",
        ),
    ),
    (
        sso_errors.StoreFull,  # before StoreUnavailable, which it is
        Fault(
            503,
            "sessions-full",
            "Nobody more can be signed on just now",
            "Try again in a few minutes. Whoever is signed on goes on working: use a device that is. The operators have been alarmed.",
        ),
    ),
    (
        sso_errors.StoreUnavailable,
        Fault(
            503,
            "session-unavailable",
            "Your session could not be read",
            "You are not signed off, and need not sign on again.",
        ),
    ),
    (
        sso_errors.ProviderAway,
        Fault(
            503,
            "provider-away",
            "The sign-on service does not answer",
            "Try again in a minute. Shifts that have begun go on.",
        ),
    ),
    (
        sso_errors.DeviceRefused,
        Fault(
            403,
            "device-refused",
            "This device could not be recognised",
            "Sign on without it: it then counts as a device that is not known here. To be known again, enrol it anew.",
            ("/sign-on", "Go to the sign-on page"),
        ),
    ),
    (
        sso_errors.SignOnRefused,
        Fault(403, "sign-on-refused", "You could not be signed on", "Start again from the sign-on page."),
    ),
)

# Errors whose message is written for the person who asked: no patient, no secret, nothing of our inside.
FOR_PEOPLE = (
    connectors_errors.ConnectorError,
    WriteNotSent,
    WriteUnknown,
    OpenElsewhere,
    CrossSite,
    sso_errors.DeviceRefused,
)

UNEXPECTED = Fault(
    500,
    "unexpected",
    "Something went wrong on our side",
    "Try again. If it stays, tell the operators the number below.",
)


def fault_for(error: BaseException) -> Fault:
    """The first row whose type fits; UNEXPECTED otherwise."""
    return next((fault for kind, fault in FAULTS if isinstance(error, kind)), UNEXPECTED)
