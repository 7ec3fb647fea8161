"""Django's own admin, as an old system with a login page: CSRF cookie and token, redirects, idle expiry."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from demo.ports import free_port

from .processes import started

SETTINGS = """
from pathlib import Path
import os
BASE_DIR = Path(__file__).resolve().parent
SECRET_KEY = "only-for-tests"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", ".localhost"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
                  "django.contrib.sessions", "django.contrib.messages", "django.contrib.staticfiles"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.contrib.sessions.middleware.SessionMiddleware",
              "django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
              "django.contrib.auth.middleware.AuthenticationMiddleware",
              "django.contrib.messages.middleware.MessageMiddleware"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {
    "context_processors": ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
                           "django.contrib.messages.context_processors.messages"]}}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
STATIC_URL = "/static/"
USE_TZ = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a slow one would only warm the machine
SESSION_COOKIE_AGE = int(os.environ.get("IDLE_SECONDS", "1200"))
SESSION_SAVE_EVERY_REQUEST = True
if os.environ.get("REMOTE_USER_HEADER"):
    MIDDLEWARE.append("urls.ToldByHeader")
    AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
LOGGING = {"version": 1, "handlers": {"console": {"class": "logging.StreamHandler"}},
           "loggers": {"django.security": {"handlers": ["console"]}}}
"""
URLS = """
import os
from django.contrib import admin
from django.contrib.auth.middleware import RemoteUserMiddleware
from django.urls import path


class ToldByHeader(RemoteUserMiddleware):
    header = "HTTP_" + os.environ.get("REMOTE_USER_HEADER", "").upper().replace("-", "_")


urlpatterns = [path("admin/", admin.site.urls)]
"""
MANAGE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""


@dataclass(frozen=True)
class DjangoAdmin:
    origin: str
    folder: Path

    def manage(self, code: str) -> str:
        """Run Python inside the site, e.g. to look at what was written or to end all sessions."""
        return _manage(self.folder, "shell", "--no-imports", "-c", code)


USERS = {"lee": "legacy-lee", "okoye": "legacy-okoye"}
FIRST = f"""
from django.core.management import call_command
from django.contrib.auth.models import User
call_command("migrate", verbosity=0)
for name, password in {USERS}.items():
    User.objects.create_superuser(name, "x@h.test", password)
"""


@contextlib.contextmanager
def django_admin(folder: Path, *, idle_seconds: int = 1200, told_by: str = "") -> Iterator[DjangoAdmin]:
    """`told_by`: the header that says who is there; without one it asks for a password."""
    for name, text in (("settings.py", SETTINGS), ("urls.py", URLS), ("manage.py", MANAGE)):
        (folder / name).write_text(text)
    _manage(folder, "shell", "--no-imports", "-c", FIRST)
    port = free_port()
    run = [sys.executable, "manage.py", "runserver", "--insecure", "--noreload", f"127.0.0.1:{port}"]
    with started(
        run,
        ready=f"http://127.0.0.1:{port}/admin/",
        cwd=folder,
        env={"IDLE_SECONDS": str(idle_seconds), "REMOTE_USER_HEADER": told_by},
    ):
        yield DjangoAdmin(f"http://127.0.0.1:{port}", folder)


def _manage(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()
