"""Return addresses: only ever our own. Pure."""

from __future__ import annotations

import re
from urllib.parse import unquote

# A path of ours: one slash, then plain characters. No scheme, host, backslash, control, or anything that becomes one when decoded.
_OWN = re.compile(
    r"/(?:[A-Za-z0-9._~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,=:@/?-]*)?"
)
_NOT_BACK_TO = ("/sign-on", "/sign-off", "/signed-off", "/backchannel-logout", "/.well-known", "/.lanyard",
                "/unlock", "/lock", "/switch", "/emergency")  # fmt: skip


def own_path(raw: str) -> str:
    """`raw` when it is a path of the main host that may be returned to, else `/`."""
    if len(raw) > 1024 or not _OWN.fullmatch(raw) or unquote(raw) != raw:
        return "/"
    segments = raw.partition("?")[0].split("/")
    if ".." in segments or "." in segments or "" in segments[1:-1] or raw.startswith(_NOT_BACK_TO):
        return "/"
    return raw


def unlock_at(back: str) -> str:
    """The unlock page, and where it leads back to."""
    return "/unlock" if (back := own_path(back)) == "/" else f"/unlock?next={back}"
