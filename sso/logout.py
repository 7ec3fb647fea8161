"""Log-out, both ways: our request to the provider as a URL, the provider's notice to us as a LogoutNotice.

OpenID Connect RP-Initiated Logout 1.0 and Back-Channel Logout 1.0. Which sessions end is the gateway's affair: those that
were seated by the notice's `sid`; where it names none, all of its `sub`.
"""

from __future__ import annotations

import hashlib
import json
from urllib.parse import parse_qsl, urlencode, urlsplit

from .compact import MAX_TOKEN
from .errors import SignOnRefused
from .provider import Seen
from .tokens import LogoutNotice, TokenVerifier

_LONGEST_HINT = 4_000  # characters: load balancers refuse longer request lines


def hint(id_token: str) -> str:
    """What of an ID token is kept for the provider's log-out page: one that is too long for it would be kept for nothing."""
    return id_token if len(id_token) <= _LONGEST_HINT else ""


def sign_off_url(endpoint: str, client_id: str, id_token: str, return_to: str, state: str) -> str:
    """The provider's log-out page with where to come back to. A very long ID token stays out: the page then asks."""
    fields = {"client_id": client_id, "post_logout_redirect_uri": return_to, "state": state}
    if hinted := hint(id_token):
        fields["id_token_hint"] = hinted
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(fields)}"


def read_form(body: bytes) -> str:
    """The one `logout_token` of a back-channel request's form body. Raises SignOnRefused."""
    try:
        if len(body) > MAX_TOKEN + 4096:
            raise ValueError
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=8, errors="strict")
    except ValueError:
        raise SignOnRefused("claims", "the log-out request's form cannot be read") from None
    tokens = [value for name, value in pairs if name == "logout_token"]
    if len(tokens) != 1:
        raise SignOnRefused("claims", "the log-out request does not carry exactly one `logout_token`")
    return tokens[0]


async def notice(verifier: TokenVerifier, token: str, seen: Seen, now: float) -> LogoutNotice:
    """A notice that was not acted on before. Raises SignOnRefused, ProviderAway, and what `seen` raises.

    `seen` is asked last, so that a forged token cannot use up the `jti` of a true one.
    """
    found = await verifier.logout_token(token, now=now)
    if await seen(_key(found), found.until):
        raise SignOnRefused("replay", "the log-out token was used before")
    return found


def _key(found: LogoutNotice) -> str:
    """A hash of the pair: joined strings could be made to meet."""
    return hashlib.sha256(json.dumps([found.iss, found.jti]).encode()).hexdigest()
