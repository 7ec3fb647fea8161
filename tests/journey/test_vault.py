"""A clinician's own log-on at Django's admin: asked for once, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.counterparts.django_admin import USERS, DjangoAdmin, django_admin

from .browser import Browser, Page
from .hospital import Hospital, hospital, system
from .test_old_systems import DJANGO

pytestmark = pytest.mark.counterpart

WRONG, NEW = "Canary-Summer-7", "Canary-Autumn-11"
RIGHT = USERS["okoye"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hospital, DjangoAdmin]]:
    folder = tmp_path_factory.mktemp("vault")
    for name in ("django", "hospital"):
        (folder / name).mkdir()
    with django_admin(folder / "django") as django:
        entry = system(
            "django", "webform", django.origin, options=DJANGO, start="/admin/", helpdesk="Django desk, 4444"
        )
        with hospital(folder / "hospital", [entry]) as running:
            yield running, django


def users(here: Hospital, browser: Browser) -> Page:
    """A page inside the system, by its own address."""
    return browser.get(f"{here.system_url('django')}/admin/auth/user/?q=okoye", came_from=f"{here.url}/")


def log_ons(here: Hospital) -> tuple[int, int]:
    """Made and failed at the system, as the journal has them."""
    return tuple(len(here.events(type=f"upstream.{kind}")) for kind in ("logged_on", "log_on_failed"))  # type: ignore[return-value]  # two of them


def test_a_log_on_s_life(place: tuple[Hospital, DjangoAdmin]) -> None:
    """Asked once, a wrong one told, the right one kept, unprompted from then on, asked again when it was changed there, forgotten."""
    here, django = place
    pages: list[Page] = []
    with Browser() as ward, Browser() as phone:
        here.sign_on(ward, "n.okoye")
        asked = users(here, ward)
        assert asked.url.startswith(f"{here.url}/vault/django")
        assert "Log on to Django" in asked.text
        assert "Django desk, 4444" in asked.text
        told = ward.submit(asked, username="okoye", password=WRONG)
        assert told.url.startswith(f"{here.url}/vault/django")
        assert "did not take your user name and password" in told.text
        assert log_ons(here) == (0, 1)
        kept = ward.submit(told, username="okoye", password=RIGHT)
        assert kept.url == f"{here.system_url('django')}/admin/auth/user/?q=okoye"
        assert "Select user to change" in kept.text
        assert log_ons(here) == (1, 1)

        here.sign_on(phone, "n.okoye")
        assert "Select user to change" in users(here, phone).text
        assert log_ons(here) == (2, 1)

        assert here.stop() == 0  # the vault survives a restart
        here.start()
        django.manage(
            "from django.contrib.auth.models import User; u = User.objects.get(username='okoye');"
            f" u.set_password('{NEW}'); u.save()"
        )
        changed = users(here, phone)
        assert "refused the log-on that is kept for you" in changed.text
        again = users(here, ward)
        assert "refused the log-on that is kept for you" in again.text
        assert log_ons(here) == (2, 2)  # once for both devices
        renewed = phone.submit(changed, username="okoye", password=NEW)
        assert "Select user to change" in renewed.text
        assert "Select user to change" in users(here, ward).text

        overview = phone.get(f"{here.url}/vault")
        assert "last used" in overview.text
        forgotten = phone.submit(overview)
        assert "you will be asked" in forgotten.text
        pages += [asked, told, kept, changed, again, renewed, overview, forgotten]
    types = [e["type"] for e in here.events() if e["type"].startswith("credential.")]
    assert types == ["credential.kept", "credential.replaced", "credential.forgotten"]
    assert here.lanyard("audit", "verify").returncode == 0
    for secret in (WRONG, RIGHT, NEW):
        assert secret not in here.log()
        assert all(secret not in page.text + " ".join(page.trail) for page in pages)
        files = [path for path in (here.folder / "data").rglob("*") if path.is_file()]
        assert any(path.name == "sessions.db" for path in files)
        assert all(secret.encode() not in path.read_bytes() for path in files)
