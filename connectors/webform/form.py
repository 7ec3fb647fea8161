"""A login form in a page: found, filled with a credential, and encoded as the browser would (HTML, form submission)."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from urllib.parse import urlencode

from lxml import etree, html

from ..base import Credential
from ..errors import SystemMisbehaves

_BIGGEST_PAGE = 2 * 1024**2


@dataclass(frozen=True, slots=True)
class FormPlace:
    """Where the form is and what goes where; `form` is an id, a name, or empty for the one with the password field."""

    form: str
    username_field: str
    password_field: str
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Submission:
    """What is sent: the method, the action as the page gives it (maybe relative, maybe empty), the encoded fields."""

    method: str
    action: str
    body: bytes


def parse(page: bytes, charset: str) -> html.HtmlElement:
    """Raises SystemMisbehaves when the page is no HTML."""
    if len(page) > _BIGGEST_PAGE:
        raise SystemMisbehaves("its login page is larger than 2 MiB")
    try:
        return html.document_fromstring(
            page, parser=html.HTMLParser(encoding=codecs.lookup(charset).name, no_network=True)
        )
    except (etree.ParserError, ValueError):
        raise SystemMisbehaves("its login page is not HTML") from None


def fill(page: bytes, charset: str, place: FormPlace, credential: Credential) -> Submission:
    """The form with its hidden fields carried. Raises SystemMisbehaves when the form or a field is not there."""
    form = _find(parse(page, charset), place)
    values = dict(place.fields) | {place.username_field: credential.username, place.password_field: credential.secret}
    names = {name for name in list(form.fields) if name}
    for missing in sorted({place.username_field, place.password_field} - names):
        raise SystemMisbehaves(
            f"its login form has no field `{missing}`: the page has changed, correct its declaration"
        )
    pairs = [(name, value) for name, value in form.form_values() if name not in values]
    pairs += _pressed_button(form)
    pairs += list(values.items())
    charset = form.get("accept-charset") or charset
    return Submission(
        method=(form.get("method") or "GET").upper(),
        action=form.get("action") or "",
        body=urlencode([(_bytes(n, charset), _bytes(v, charset)) for n, v in pairs]).encode("ascii"),
    )


def _find(document: html.HtmlElement, place: FormPlace) -> html.FormElement:
    forms: list[html.FormElement] = list(document.forms)
    for form in forms:
        named = place.form in (form.get("id"), form.get("name")) if place.form else False
        if named or (not place.form and place.password_field in form.fields):
            return form
    wanted = f"form `{place.form}`" if place.form else f"form with a field `{place.password_field}`"
    raise SystemMisbehaves(f"its login page has no {wanted}: the page has changed, correct its declaration")


def _pressed_button(form: html.FormElement) -> list[tuple[str, str]]:
    """The first named submit button goes along, as when Enter is pressed."""
    for button in form.xpath(".//input[@type='submit' or @type='image'] | .//button[not(@type) or @type='submit']"):
        return [(button.get("name"), button.get("value") or "")] if button.get("name") else []
    return []


def _bytes(text: str, charset: str) -> bytes:
    return text.encode(charset, "xmlcharrefreplace")
