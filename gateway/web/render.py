"""Templates into answers: every page of ours with the same strict headers, problems for scripts as RFC 9457."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import jinja2
from starlette.responses import JSONResponse, RedirectResponse, Response

from connectors.messages import Headers

from ..edge.origins import Asked, Bounce, asked

TEMPLATES = jinja2.PackageLoader("gateway.web")


class Renderer:
    def __init__(self, *, https: bool, public_origin: str = "", form_targets: tuple[str, ...] = ()) -> None:
        """`form_targets`: other origins that a form of ours may end at by redirect (systems, the provider)."""
        self._public_origin = public_origin
        self._templates = jinja2.Environment(
            loader=TEMPLATES, autoescape=True, trim_blocks=True, lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )  # fmt: skip
        forms = " ".join(("'self'", *form_targets))
        self._headers = {
            "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "
            f"form-action {forms}; frame-ancestors 'none'; base-uri 'none'",
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin-allow-popups",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(), microphone=(), geolocation=()",
        }
        if https:
            self._headers["strict-transport-security"] = "max-age=31536000; includeSubDomains"

    def page(
        self,
        template: str,
        status: int = 200,
        *,
        framed: bool = False,
        framed_by: tuple[str, ...] = (),
        renews: bool = False,
        **words: Any,
    ) -> Response:
        """`framed`: the page answers for a frame of a system's own page, and must be seen there; `framed_by`: of these origins.

        `renews`: it has a frame of its own, in which this host's cookie is renewed.
        """
        text = self._templates.get_template(template).render(**words)
        policy = self._headers["content-security-policy"]
        if framed or framed_by:
            ancestors = " ".join(framed_by or ("'self'",))
            policy = policy.replace("frame-ancestors 'none'", f"frame-ancestors {ancestors}")
        if renews:
            policy += f"; frame-src 'self' {self._public_origin}"
        headers = self._headers | {"content-security-policy": policy}
        return Response(text, status, headers=headers, media_type="text/html")

    def problem(self, status: int, code: str, title: str, **more: Any) -> Response:
        """application/problem+json (RFC 9457)."""
        content = {"type": f"urn:lanyard:{code}", "title": title, "status": status, **more}
        return JSONResponse(content, status, headers=self._headers, media_type="application/problem+json")

    def redirect(self, bounce: Bounce) -> Response:
        """A 303, always to a GET, telling the next page nothing of this one."""
        response = RedirectResponse(bounce.location, 303, headers=self._headers | {"referrer-policy": "no-referrer"})
        response.raw_headers += bounce.headers
        return response


def wants_page(method: str, headers: Headers) -> bool:
    """Whether a person will look at the answer."""
    if asked(method, headers) is not Asked.BACKGROUND:
        return True
    dest = accept = b""
    for name, value in headers:
        if name == b"sec-fetch-dest":
            dest = value
        elif name == b"accept":
            accept = value
    return dest == b"document" or (not dest and b"text/html" in accept)


def sentence(words: object) -> str:
    """An error's words as a page says them: a capital and a full stop."""
    text = str(words)
    return f"{text[:1].upper()}{text[1:]}."


def clock(at: float) -> str:
    """Wall time where the gateway is, as clinicians read it."""
    return f"{datetime.fromtimestamp(at).astimezone():%H:%M}"


def when(at: float) -> str:
    """Day and wall time where the gateway is."""
    return f"{datetime.fromtimestamp(at).astimezone():%-d %B %Y, %H:%M}"
