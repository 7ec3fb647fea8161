"""What can go wrong between us and a system, named for the reaction it needs.

ConnectorError
├── BadRequest            the clinician's request cannot be understood: say so, change nothing
│   └── BodyTooLarge      the body is longer than may be read before it is passed on
├── SystemUnavailable     the system does not answer (connect, deadline, reset): try later
├── SystemMisbehaves      the system answered something that may not be passed on
├── AnswerTooLarge        an answer that must be read first is longer than `hold`
├── CredentialRefused     the system refused this clinician's credential: never retried by itself
│   └── PasswordChangeDue the system wants a new password from this clinician before it lets them in
├── CredentialMissing     no credential is kept for this clinician and system
└── NotBrokered           no route names this request, or the session cannot be had
"""

from __future__ import annotations


class ConnectorError(Exception):
    """Base. The message is for people: lower case, no patient identifier, no secret."""


class BadRequest(ConnectorError):
    pass


class BodyTooLarge(BadRequest):
    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is longer than {limit} bytes, which is all that may be read before it is passed on")
        self.limit = limit


class SystemUnavailable(ConnectorError):
    pass


class SystemMisbehaves(ConnectorError):
    pass


class AnswerTooLarge(ConnectorError):
    pass


class CredentialRefused(ConnectorError):
    pass


class PasswordChangeDue(CredentialRefused):
    pass


class CredentialMissing(ConnectorError):
    pass


class NotBrokered(ConnectorError):
    pass
