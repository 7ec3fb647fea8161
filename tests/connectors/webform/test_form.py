"""A login form is found, filled and encoded as a browser would."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from connectors.base import Credential
from connectors.errors import SystemMisbehaves
from connectors.webform.form import FormPlace, fill

PAGE = b"""<html><body><form action="/search"><input name=q></form>
<form id="logon" action="do_login.asp" method="post"><input type=hidden name=csrf value="a&amp;b">
<input name=user><input name=pass type=password><input type=checkbox name=stay value=1>
<select name=site><option value=A selected>A<option value=B>B</select><input type=submit name=go value="Log on"></form></body></html>"""
PLACE = FormPlace(form="logon", username_field="user", password_field="pass")
NURSE = Credential("n.okoye", "p\xe4ss w\xf6rd&=")


def pairs(body: bytes, charset: str = "utf-8") -> dict[str, str]:
    return dict(parse_qsl(body.decode(), keep_blank_values=True, encoding=charset))


def test_hidden_fields_are_carried_and_unchecked_boxes_are_not() -> None:
    """The page's own token, selection and button go along; what a browser would leave out is left out."""
    sent = fill(PAGE, "utf-8", PLACE, NURSE)
    assert (sent.method, sent.action) == ("POST", "do_login.asp")
    assert pairs(sent.body) == {
        "csrf": "a&b",
        "site": "A",
        "go": "Log on",
        "user": "n.okoye",
        "pass": "p\xe4ss w\xf6rd&=",
    }


def test_fields_are_encoded_in_the_page_s_charset() -> None:
    """A Windows-1252 page gets Windows-1252 bytes."""
    sent = fill(PAGE, "windows-1252", PLACE, NURSE)
    assert b"p%E4ss" in sent.body
    assert pairs(sent.body, "windows-1252")["pass"] == NURSE.secret


def test_the_form_with_the_password_field_is_found_without_a_name() -> None:
    """Where no form is declared, the one that holds the password field is taken."""
    assert fill(PAGE, "utf-8", FormPlace("", "user", "pass"), NURSE).action == "do_login.asp"


def test_declared_fields_replace_the_page_s() -> None:
    """A declared extra field wins over the page's own value."""
    place = FormPlace("logon", "user", "pass", (("site", "B"),))
    assert pairs(fill(PAGE, "utf-8", place, NURSE).body)["site"] == "B"


@pytest.mark.parametrize(
    "place", [FormPlace("other", "user", "pass"), FormPlace("logon", "login", "pass"), FormPlace("", "user", "pw")]
)
def test_a_changed_page_is_named_and_nothing_is_sent(place: FormPlace) -> None:
    """A form or field that is gone is named, without the credential."""
    with pytest.raises(SystemMisbehaves, match="the page has changed") as caught:
        fill(PAGE, "utf-8", place, NURSE)
    assert "n.okoye" not in str(caught.value)


def test_an_empty_answer_is_no_login_page() -> None:
    """An empty page is told as such."""
    with pytest.raises(SystemMisbehaves):
        fill(b"", "utf-8", PLACE, NURSE)
