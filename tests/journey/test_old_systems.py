"""The webform connector in front of systems that nobody here wrote and that know nothing of us."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.counterparts.django_admin import USERS as DJANGO_USERS
from tests.counterparts.django_admin import DjangoAdmin, django_admin
from tests.counterparts.dokuwiki import USERS as WIKI_USERS
from tests.counterparts.dokuwiki import dokuwiki

from .browser import Browser
from .hospital import Hospital, hospital, system

pytestmark = pytest.mark.counterpart

DJANGO: dict[str, Any] = {
    "login_page": "/admin/login/",
    "username_field": "username",
    "password_field": "password",
    "success": {"status": 302, "cookie": "sessionid"},
    "failure": {"text": "errornote"},
    "logged_off": {"status": 302, "location": "/admin/login/"},
    "routes": [
        {"id": "static", "path": "/static/{rest...}", "asset": True},
        {
            "id": "user",
            "path": "/admin/auth/user/{id}/change/",
            "kind": "demographics",
            "action": "read",
            "patient": {"in": "path", "name": "id"},
        },
        {
            "id": "save",
            "methods": ["POST"],
            "path": "/admin/auth/user/{id}/change/",
            "kind": "demographics",
            "action": "write",
            "patient": {"in": "path", "name": "id"},
        },
    ],
}
WIKI: dict[str, Any] = {
    "login_page": "/doku.php?id=start&do=login",
    "form": "dw__login",
    "username_field": "u",
    "password_field": "p",
    "success": {"status": 302},
    "failure": {"status": 403},
    "logged_off": {"text": 'id="dw__login"'},
    "log_off": {"path": "/doku.php?do=logout"},
    "routes": [
        {"id": "css", "path": "/lib/exe/css.php", "asset": True},
        {"id": "js", "path": "/lib/exe/js.php", "asset": True},
        {"id": "page", "path": "/doku.php", "kind": "note", "action": "read", "parameters": ["id", "do"]},
        {"id": "save", "methods": ["POST"], "path": "/doku.php", "kind": "note", "action": "write"},
    ],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hospital, DjangoAdmin]]:
    folder = tmp_path_factory.mktemp("old")
    for name in ("django", "wiki", "hospital"):
        (folder / name).mkdir()
    with django_admin(folder / "django", idle_seconds=1200) as django, dokuwiki(folder / "wiki") as wiki:
        systems = [
            system("django", "webform", django.origin, options=DJANGO, start="/admin/", helpdesk="Django desk, 4444"),
            system("wiki", "webform", wiki, options=WIKI, start="/doku.php?id=start", host_header="public"),
        ]
        people = {
            "django": {"n.okoye": ("okoye", DJANGO_USERS["okoye"]), "dr.lee": ("lee", "not his password")},
            "wiki": {"n.okoye": ("okoye", WIKI_USERS["okoye"])},
        }
        with hospital(folder / "hospital", systems, credentials=people) as running:
            yield running, django


@pytest.fixture
def nurse(place: tuple[Hospital, DjangoAdmin]) -> Iterator[Browser]:
    with Browser() as browser:
        place[0].sign_on(browser, "n.okoye")
        yield browser


def test_django_opens_already_logged_on(place: tuple[Hospital, DjangoAdmin], nurse: Browser) -> None:
    """After one sign-on the admin's own page is there, under its own host, without a login page in between."""
    page = nurse.get(f"{place[0].system_url('django')}/admin/", came_from=f"{place[0].url}/")
    assert page.status == 200
    assert "Site administration" in page.text
    assert 'type="password"' not in page.text


def test_no_upstream_cookie_reaches_the_browser(place: tuple[Hospital, DjangoAdmin], nurse: Browser) -> None:
    """The browser holds our cookies only, host by host."""
    nurse.get(f"{place[0].system_url('django')}/admin/")
    names = {name for jar in nurse.cookies.values() for name in jar if not name.startswith("_")}
    assert names <= {n for n in names if n.startswith("_interaction") or n.startswith("_session")}
    ours = {"__Host-lanyard", "__Host-lanyard-anew"}
    assert all(set(jar) <= ours for host, jar in nurse.cookies.items() if "records.localhost" in host)


def test_a_form_is_edited_through_csrf_token_and_redirect(place: tuple[Hospital, DjangoAdmin], nurse: Browser) -> None:
    """Django's CSRF check (cookie, token, Referer) is content, the write arrives once, and the redirect leads back here."""
    here, django = place
    address = f"{here.system_url('django')}/admin/auth/user/2/change/"
    page = nurse.get(address)
    assert page.status == 200
    index = next(i for i, f in enumerate(page.document().forms) if "first_name" in f.fields)
    saved = nurse.submit(page, form=index, first_name="Ngozi", _continue="1")
    assert saved.status == 200, saved.text
    assert saved.url == address
    assert (
        django.manage("from django.contrib.auth.models import User; print(User.objects.get(pk=2).first_name)")
        == "Ngozi"
    )


def test_after_the_session_expired_the_page_is_simply_there(
    place: tuple[Hospital, DjangoAdmin], nurse: Browser
) -> None:
    """The system forgets everybody; the next look logs on again and shows the page that was asked for."""
    here, django = place
    nurse.get(f"{here.system_url('django')}/admin/")
    django.manage("from django.contrib.sessions.models import Session; Session.objects.all().delete()")
    page = nurse.get(f"{here.system_url('django')}/admin/auth/user/")
    assert page.status == 200
    assert "Select user to change" in page.text


def test_a_form_of_an_expired_session_is_not_sent(place: tuple[Hospital, DjangoAdmin], nurse: Browser) -> None:
    """What was typed before the expiry is told as not sent, and nothing has changed there."""
    here, django = place
    page = nurse.get(f"{here.system_url('django')}/admin/auth/user/2/change/")
    django.manage("from django.contrib.sessions.models import Session; Session.objects.all().delete()")
    index = next(i for i, f in enumerate(page.document().forms) if "first_name" in f.fields)
    told = nurse.submit(page, form=index, last_name="Lost")
    assert told.status == 409
    assert "Not sent" in told.text
    assert django.manage("from django.contrib.auth.models import User; print(User.objects.get(pk=2).last_name)") == ""


def test_a_wrong_password_is_told_once_with_the_helpdesk(place: tuple[Hospital, DjangoAdmin]) -> None:
    """The doctor's credential is refused there: said plainly, with whom to ring, and never tried again in this shift."""
    here, _django = place
    with Browser() as browser:
        here.sign_on(browser, "dr.lee")
        for _ in range(3):
            page = browser.get(f"{here.system_url('django')}/admin/")
            assert page.url.startswith(f"{here.url}/vault/django")
            assert "refused the log-on that is kept for you" in page.text
            assert "Django desk, 4444" in page.text
            assert "not his password" not in page.text
    failed = here.events(type="upstream.log_on_failed")
    assert len([e for e in failed if e["system"] == "django"]) == 1


def test_the_wiki_s_login_form_inside_a_200_is_noticed(place: tuple[Hospital, DjangoAdmin], nurse: Browser) -> None:
    """DokuWiki says 200 to everything; its login form is the sign, and the page that is shown is the ward's."""
    page = nurse.get(f"{place[0].system_url('wiki')}/doku.php?id=start")
    assert page.status == 200
    assert "Bed 4: review bloods" in page.text
    assert 'id="dw__login"' not in page.text


def test_the_wiki_is_edited_under_its_public_name(place: tuple[Hospital, DjangoAdmin], nurse: Browser) -> None:
    """With the public host passed on, absolute links and redirects name the gateway, and an edit arrives."""
    here = place[0]
    edit = nurse.get(f"{here.system_url('wiki')}/doku.php?id=start&do=edit")
    index = next(i for i, f in enumerate(edit.document().forms) if "wikitext" in f.fields)
    saved = nurse.submit(edit, form=index, wikitext="Bed 4: bloods reviewed.", **{"do[save]": "1"})
    assert saved.url.startswith(here.system_url("wiki"))
    assert "bloods reviewed" in nurse.get(f"{here.system_url('wiki')}/doku.php?id=start").text
    assert "127.0.0.1" not in "".join(saved.trail)


def test_what_was_looked_at_is_in_the_journal(place: tuple[Hospital, DjangoAdmin], nurse: Browser) -> None:
    """Who, which system, which patient, under which rule; and the whole journal verifies."""
    here = place[0]
    nurse.get(f"{here.system_url('django')}/admin/auth/user/1/change/")
    seen = [e for e in here.events(patient="1") if e["type"] == "access.intent"]
    assert seen
    assert seen[-1]["subject"] == "n.okoye"
    assert seen[-1]["patients"] == [["system:django", "1"]]
    assert seen[-1]["rules"]
    assert here.lanyard("audit", "verify").returncode == 0


def test_nothing_secret_is_logged(place: tuple[Hospital, DjangoAdmin]) -> None:
    """No password, cookie, code or name stands in the operational log."""
    text = place[0].log()
    for secret in (*DJANGO_USERS.values(), "not his password", "battery staple", "__Host-", "code=", "N Okoye"):
        assert secret not in text, secret


def test_the_gateway_survives_a_restart_and_so_does_the_shift(
    place: tuple[Hospital, DjangoAdmin], nurse: Browser
) -> None:
    """After an orderly stop and a start the same cookie opens the same system, with no sign-on and no log-on there."""
    here: Hospital = place[0]
    nurse.get(f"{here.system_url('django')}/admin/")
    before = len(here.events(type="upstream.logged_on"))
    assert here.stop() == 0
    here.start()
    page = nurse.get(f"{here.system_url('django')}/admin/")
    assert page.status == 200
    assert len(page.trail) == 1
    assert len(here.events(type="upstream.logged_on")) == before
