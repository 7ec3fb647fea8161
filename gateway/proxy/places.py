"""Addresses inside headers: our public ones as the system's own on the way in, the system's as ours on the way out. Pure.

Only what names the system's own place is translated; a redirect to anywhere else is the system's to give. A redirect into
`/.lanyard/`, which is the gateway's own on every host, is never passed on.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from connectors.errors import SystemMisbehaves

if TYPE_CHECKING:
    from .passage import Passage

_ABSOLUTE = re.compile(rb"(?:https?:)?[/\\]{2}([^/\\?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_REFRESH = re.compile(rb"""([ \t]*[0-9.]*[ \t]*[;,]?[ \t]*(?:url[ \t]*=[ \t]*)?)(["']?)(.*?)\2[ \t]*""", re.IGNORECASE)


def as_upstream(value: bytes, passage: Passage) -> bytes:
    """An Origin or Referer that names us, as the system knows itself (Django answers 403 otherwise); anything else as it is."""
    if value == passage.public_origin:
        return passage.upstream_origin
    if value.startswith(passage.public_origin + b"/"):
        rest = value[len(passage.public_origin) :]
        return passage.upstream_origin + passage.base_path + without(rest, passage.prefix)
    return value


def as_public(value: bytes, passage: Passage) -> bytes:
    """A redirect to the system's own place as one to its public place. Raises SystemMisbehaves for `/.lanyard/`."""
    value = value.strip(b" \t").replace(b"\t", b"")  # as browsers read it (WHATWG URL, section 4.4)
    _refuse_ours(value)
    absolute = _ABSOLUTE.fullmatch(value)
    if absolute is None:
        return _public_path(value, passage) if value.startswith(b"/") else value
    authority, path = _authority(absolute[1]), absolute[2]
    if not path.startswith(b"/"):
        path = b"/" + path
    return passage.public_origin + _public_path(path, passage) if authority in _own(passage) else value


def _public_path(path: bytes, passage: Passage) -> bytes:
    """With `host_header = "public"` a system may know its prefix, or not; otherwise it does not."""
    if not passage.translate and passage.prefix and without(path, passage.prefix) != path:
        return path
    return passage.prefix + without(path, passage.base_path)


def refresh(value: bytes, passage: Passage) -> bytes:
    """`Refresh: 5; url=…`, an older spelling of a redirect."""
    found = _REFRESH.fullmatch(value)
    if found is None or not found[3]:
        return value
    return found[1] + as_public(found[3], passage)


def without(path: bytes, folder: bytes) -> bytes:
    """`path` below `folder`, whole segments only; unchanged where it is not below it."""
    rest = path[len(folder) :]
    if not folder or not path.startswith(folder) or rest[:1] not in (b"", b"/", b"?", b"#"):
        return path
    return rest if rest.startswith(b"/") else b"/" + rest


@lru_cache(maxsize=256)
def _own(passage: Passage) -> frozenset[bytes]:
    """The authorities that are this system's own. The scheme is not compared: systems behind a TLS offloader get it wrong."""
    origins = {passage.upstream_origin, passage.public_origin, *passage.known_origins}
    return frozenset(_authority(origin.partition(b"//")[2]) for origin in origins)


def _authority(raw: bytes) -> bytes:
    host = raw.rpartition(b"@")[2].lower()
    return host.removesuffix(b":80").removesuffix(b":443")


def _refuse_ours(value: bytes) -> None:
    """No segment of any spelling may be `.lanyard`: that covers relative references and dot segments too."""
    path = re.split(rb"[?#]", value, maxsplit=1)[0]
    if b".lanyard" in re.split(rb"[/\\:]", unquote_to_bytes(path).lower()):
        raise SystemMisbehaves("the system redirects into what is the gateway's own")
