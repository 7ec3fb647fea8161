"""A login form in a page: found, filled with a credential, and encoded as the browser would (HTML, form submission)."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from urllib.parse import urlencode

from lxml import etree, html

from ..base import Credential
from ..errors import SystemMisbehaves

_BIGGEST_PAGE = 2 * 1024**2
_HEAD = 64 * 1024  # bytes that are looked through for a refresh
_MOST_FRAMES = 8


@dataclass(frozen=True, slots=True)
class FormPlace:
    """Where the form is and what goes where; `form` is an id, a name, or empty for the one that has what is filled in or pressed.

    Empty `username_field` or `password_field`: this form does not ask for it. `press`: the button's name or what stands on it.
    """

    form: str
    username_field: str = ""
    password_field: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    press: str = ""

    @property
    def asks_for(self) -> frozenset[str]:
        """The fields that must be there for somebody's credential."""
        return frozenset({self.username_field, self.password_field} - {""})


@dataclass(frozen=True, slots=True)
class Submission:
    """What is sent: the method, the action as the page gives it (maybe relative, maybe empty), the encoded fields."""

    method: str
    action: str
    body: bytes


class FormMissing(SystemMisbehaves):
    """The form is not in this page: it may be in a frame of it."""


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
    """The form with its hidden fields carried. Raises FormMissing when it is not there, SystemMisbehaves when a field of it is not."""
    form = _find(parse(page, charset), place)
    own = {place.username_field: credential.username, place.password_field: credential.secret}
    values = dict(place.fields) | {name: own[name] for name in place.asks_for}
    names = {name for name in list(form.fields) if name}
    for missing in sorted(place.asks_for - names):
        raise SystemMisbehaves(
            f"its login form has no field `{missing}`: the page has changed, correct its declaration"
        )
    pairs = [(name, value) for name, value in form.form_values() if name not in values]
    pairs += _pressed_button(form, place.press)
    pairs += list(values.items())
    charset = form.get("accept-charset") or charset
    return Submission(
        method=(form.get("method") or "GET").upper(),
        action=form.get("action") or "",
        body=urlencode([(_bytes(n, charset), _bytes(v, charset)) for n, v in pairs]).encode("ascii"),
    )


def frames(page: bytes, charset: str) -> list[str]:
    """Where its frames lead, as the page gives it (maybe relative). Raises SystemMisbehaves when the page is no HTML."""
    found = parse(page, charset).xpath("//frame/@src | //iframe/@src")
    return [str(source) for source in found][:_MOST_FRAMES]


def refresh(page: bytes, charset: str) -> str:
    """What a `meta refresh` says (HTML, pragma directives), e.g. `0; url=main.asp`; empty where there is none."""
    if b"refresh" not in page[:_HEAD].lower():
        return ""
    try:
        metas = parse(page[:_HEAD], charset).xpath("//meta[@http-equiv and @content]")
    except SystemMisbehaves:
        return ""
    return next((str(meta.get("content")) for meta in metas if meta.get("http-equiv").strip().lower() == "refresh"), "")


def _find(document: html.HtmlElement, place: FormPlace) -> html.FormElement:
    wanted = place.password_field or place.username_field or next((name for name, _ in place.fields), "")
    forms: list[html.FormElement] = list(document.forms)
    for form in forms:
        if place.form:
            if place.form in (form.get("id"), form.get("name")):
                return form
        elif wanted in form.fields if wanted else _button(form, place.press) is not None:
            return form
    what = f"form `{place.form}`" if place.form else f"form with `{wanted or place.press}`"
    raise FormMissing(f"its login page has no {what}: the page has changed, correct its declaration")


def _button(form: html.FormElement, press: str) -> html.HtmlElement | None:
    """The one with this name or words; without any the first, as when Enter is pressed."""
    buttons = form.xpath(".//input[@type='submit' or @type='image'] | .//button[not(@type) or @type='submit']")
    for button in buttons:
        said = (button.get("name"), button.get("value"), " ".join(button.text_content().split()))
        if not press or press in said:
            return button
    return None


def _pressed_button(form: html.FormElement, press: str) -> list[tuple[str, str]]:
    """It goes along by its name. Raises SystemMisbehaves where the declared one is gone."""
    button = _button(form, press)
    if button is None and press:
        raise SystemMisbehaves(f"its login form has no button `{press}`: the page has changed, correct its declaration")
    if button is None or not button.get("name"):
        return []
    return [(button.get("name"), button.get("value") or "")]


def _bytes(text: str, charset: str) -> bytes:
    return text.encode(charset, "xmlcharrefreplace")
