"""What a page of ours sent, read whole and of bounded length: a form's fields, or JSON."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from connectors.errors import BadRequest, BodyTooLarge

_LONGEST = 16 * 1024  # bytes


async def form_of(request: Request) -> dict[str, str]:
    """Raises BadRequest: not a form in UTF-8, too many fields, or one that stands twice; BodyTooLarge. Neither quotes anything."""
    try:
        body = (await body_of(request)).decode("ascii")  # what is not ASCII stands in it as %XX
        pairs = parse_qsl(body, keep_blank_values=True, max_num_fields=8, errors="strict")
    except ValueError:
        raise BadRequest("the form cannot be read") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadRequest("a field of the form stands twice")
    return fields


async def json_of(request: Request) -> dict[str, Any]:
    """Raises BadRequest: no JSON object; BodyTooLarge."""
    try:
        value = json.loads(await body_of(request))
    except (ValueError, RecursionError):
        raise BadRequest("the request is no JSON") from None
    if not isinstance(value, dict):
        raise BadRequest("the request is no JSON object")
    return value


async def body_of(request: Request, longest: int = _LONGEST) -> bytes:
    """`longest`: bytes. Raises BodyTooLarge."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > longest:
            raise BodyTooLarge(longest)
    return body
