"""The header and basic connectors in front of systems that nobody here wrote: Django's RemoteUser, Radicale, Apache httpd.

One sign-on opens all of them; each thinks that the right person is there, and the browser is asked for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.counterparts.django_admin import DjangoAdmin, django_admin
from tests.counterparts.httpd import httpd
from tests.counterparts.radicale import HEADER, radicale

from .browser import Browser
from .certificate import certificate
from .hospital import Hospital, hospital, system

pytestmark = pytest.mark.counterpart

USERS = {"okoye": 'Pässw"ord\\1', "lee": "legacy-lee"}
CALENDAR = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T080000Z\r\n"
    b"DTSTART:20260101T080000Z\r\nSUMMARY:Ward round\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
CALENDARS: list[dict[str, Any]] = [
    {"id": "calendar", "path": "/{user}/{calendar}/", "kind": "list", "action": "list"},
    {"id": "save", "methods": ["PUT"], "path": "/{user}/{calendar}/", "kind": "list", "action": "write"},
]


class Place(NamedTuple):
    gateway: Hospital
    django: DjangoAdmin


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("word")
    for name in ("django", "rota", "hospital"):
        (folder / name).mkdir()
    systems = [
        system(
            "orders",
            "header",
            "http://127.0.0.1:1",
            options={"headers": {"X-Remote-User": "{subject}"}},
            start="/admin/",
        ),
        system("rota", "header", "http://127.0.0.1:1", options={"headers": {HEADER: "{subject}"}, "routes": CALENDARS}),
        system(
            "reports", "header", "http://127.0.0.1:1", options={"assertion": "Authorization", "audience": "urn:reports"}
        ),
        system("archive", "basic", "http://127.0.0.1:1"),
        system("sealed-archive", "basic", "http://127.0.0.1:1", options={"scheme": "digest"}),
    ]
    people = {
        name: {"n.okoye": ("okoye", USERS["okoye"]), "dr.lee": ("lee", "not his password")}
        for name in ("archive", "sealed-archive")
    }
    with (
        django_admin(folder / "django", told_by="X-Remote-User") as django,
        radicale(folder / "rota") as rota,
        hospital(folder / "hospital", systems, credentials=people, started=False, tls=certificate(folder)) as gateway,
        httpd(USERS, keys=f"{gateway.url}/.well-known/jwks.json", audience="urn:reports") as apache,
    ):
        for table, origin in zip(systems, (django.origin, rota, apache.word, apache.basic, apache.digest), strict=True):
            table["upstream"] = origin
        gateway.write()
        gateway.start()
        django.manage(
            "from django.contrib.auth.models import User; User.objects.create_superuser('n.okoye', 'x@h.test', 'unused')"
        )
        yield Place(gateway, django)


@pytest.fixture
def nurse(place: Place) -> Iterator[Browser]:
    with Browser(trusted=False) as browser:
        place.gateway.sign_on(browser, "n.okoye")
        yield browser


@pytest.fixture
def doctor(place: Place) -> Iterator[Browser]:
    with Browser(trusted=False) as browser:
        place.gateway.sign_on(browser, "dr.lee")
        yield browser


def test_django_takes_our_word_and_its_forms_work(place: Place, nurse: Browser) -> None:
    """Its own session and CSRF cookies stay on the server, and a form goes through."""
    address = f"{place.gateway.system_url('orders')}/admin/auth/user/2/change/"
    page = nurse.get(address)
    assert page.status == 200, page.text
    assert "n.okoye" in page.text
    index = next(i for i, f in enumerate(page.document().forms) if "first_name" in f.fields)
    saved = nurse.submit(page, form=index, first_name="Ngozi", _continue="1")
    assert (saved.status, saved.url) == (200, address)
    told = place.django.manage("from django.contrib.auth.models import User; print(User.objects.get(pk=2).first_name)")
    assert told == "Ngozi"
    assert not any("sessionid" in jar or "csrftoken" in jar for jar in nurse.cookies.values())


@pytest.mark.parametrize("spelled", ["X-Remote-User", "x-remote-USER"])
def test_a_browser_cannot_say_that_it_is_somebody_else(place: Place, doctor: Browser, spelled: str) -> None:
    """The doctor claims to be the nurse, who may do everything there: they are themselves, and no administrator."""
    page = doctor.get(f"{place.gateway.system_url('orders')}/admin/", **{spelled: "n.okoye"})
    assert "Site administration" not in page.text
    assert "dr.lee" in page.text


def test_a_calendar_is_its_owner_s(place: Place, nurse: Browser, doctor: Browser) -> None:
    """Radicale keeps it for whom the gateway names, and refuses anybody else."""
    address = f"{place.gateway.system_url('rota')}/n.okoye/ward/"
    nurse.get(f"{place.gateway.system_url('rota')}/.web/")
    kept = nurse.follow(
        "PUT",
        address,
        came_from=address,
        headers={"content-type": "text/calendar", "origin": place.gateway.system_url("rota")},
        body=CALENDAR,
    )
    assert kept.status == 201, kept.text
    assert "Ward round" in nurse.get(address).text
    assert doctor.get(address).status == 403


def test_an_assertion_is_checked_by_the_public_keys(place: Place, nurse: Browser, doctor: Browser) -> None:
    """mod_auth_openidc reads them, checks signature, time and audience, and believes the subject."""
    for browser, who in ((nurse, "n.okoye"), (doctor, "dr.lee")):
        page = browser.get(f"{place.gateway.system_url('reports')}/")
        assert f"You are {who}." in page.text, page.text


@pytest.mark.parametrize("name", ["archive", "sealed-archive"])
def test_a_password_prompt_is_answered_for_whoever_is_signed_on(place: Place, nurse: Browser, name: str) -> None:
    """Basic and Digest: the page is simply there, again and again, and no prompt comes."""
    for _ in range(3):
        page = nurse.get(f"{place.gateway.system_url(name)}/index.shtml?a=%7b")
        assert "You are okoye." in page.text, page.text
        assert "www-authenticate" not in page.headers


@pytest.mark.parametrize("name", ["archive", "sealed-archive"])
def test_a_wrong_password_is_told_and_not_tried_again(place: Place, doctor: Browser, name: str) -> None:
    """The clinician is asked to give the right one; the system is not asked a second time."""
    for _ in range(3):
        page = doctor.get(f"{place.gateway.system_url(name)}/")
        assert "You are" not in page.text
        assert "www-authenticate" not in page.headers
    failed = [e for e in place.gateway.events(type="upstream.log_on_failed") if e["system"] == name]
    assert len(failed) == 1
    assert USERS["lee"] not in place.gateway.log() + str(place.gateway.events())


def test_every_system_is_in_the_journal(place: Place, nurse: Browser) -> None:
    """Each look passed here and is written down, with who asked."""
    for name in ("orders", "rota", "reports", "archive", "sealed-archive"):
        nurse.get(f"{place.gateway.system_url(name)}/")
    looks = [e for e in place.gateway.events(type="access.intent") if e["subject"] == "n.okoye"]
    assert {e["system"] for e in looks} >= {"orders", "rota", "reports", "archive", "sealed-archive"}
    assert place.gateway.verified()
