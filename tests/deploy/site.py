"""What the rehearsal is done with: the shipped files in a folder for each machine, and two releases of the gateway."""

from __future__ import annotations

import os
import pwd
import shutil
import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from .authority import Authority
from .ground import DATABASES, HUB, SHARED, Machine
from .shipped import FILES, balancer_of, moved, whole

ROOT = Path(__file__).parents[2]
FOLDER = Path("/mnt")  # of this namespace alone: keepalived runs no script out of a folder that others may write to
PUBLIC, EPR = "records.example.nhs.uk", "epr.records.example.nhs.uk"
NAMES = ("db1.lanyard.internal", "db2.lanyard.internal")
HOSTS = {PUBLIC: SHARED, EPR: SHARED, "login.example.nhs.uk": HUB, **dict(zip(NAMES, DATABASES, strict=True))}

_NEWER = '''"""What the next release might add."""

from alembic import op
from sqlalchemy import Column, String

revision, down_revision, oldest = "9001", "{head}", "{head}"


def upgrade() -> None:
    op.add_column("session", Column("note", String(), server_default="none"))
    op.create_table("novelty", Column("name", String(), primary_key=True))


def downgrade() -> None:
    op.drop_table("novelty")
    op.drop_column("session", "note")
'''


def next_release(folder: Path, head: str) -> Path:
    """This code with one revision more, which says that those of `head` may go on; where its packages are."""
    for package in ("gateway", "connectors", "policies", "sso"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "gateway/stores/migrations/versions/r9001_next.py").write_text(_NEWER.format(head=head))
    return folder


def certificates(folder: Path) -> None:
    authority = Authority(folder)
    authority.issue("records", PUBLIC, f"*.{PUBLIC}")
    authority.issue("gateway", "lanyard.internal")
    authority.issue("db", *NAMES)
    (folder / "records.pem").write_bytes((folder / "records.crt").read_bytes() + (folder / "records.key").read_bytes())
    os.chown(folder / "db.key", pwd.getpwnam("postgres").pw_uid, -1)
    (folder / "db.key").chmod(0o600)


def machine(
    name: str, tls: Path, keys: dict[str, str], changes: dict[str, Any], ports: tuple[int, int], balancer: str
) -> Machine:
    """The shipped files in a folder of its own; `ports`: the databases'."""
    own = FOLDER / name
    (own / "etc").mkdir(parents=True)
    (own / "etc" / "tls").symlink_to(tls)
    for key, value in keys.items():
        (own / "etc" / key).write_text(value)
    places = {"/etc/lanyard": f"{own}/etc", "/var/lib/lanyard": f"{own}/data", "/var/log/nginx": str(own)}
    places["/etc/keepalived"] = str(own)
    places |= {f"{db}:5432": f"{db}:{port}" for db, port in zip(NAMES, ports, strict=True)}
    config = tomllib.loads(moved((FILES / name / "lanyard.toml").read_text(), places))
    config["sso"] |= changes["sso"]
    config["sso"].pop("preset")
    config["zones"][0]["cidrs"].append(f"{HUB}/32")
    config["systems"][0] |= {"upstream": changes["epr"], "options": {}}
    config["audit"] = {"reserve": "16MiB", "segment": "2MiB"}
    config.pop("alarms")
    (own / "lanyard.toml").write_text(tomli_w.dumps(config))
    command = whole(own, balancer, moved(balancer_of(name, balancer), places))
    (own / "keepalived.conf").write_text(moved((FILES / f"keepalived/{name}.conf").read_text(), places))
    for script in ("answers", "ready"):
        (own / script).write_bytes((FILES / "keepalived" / script).read_bytes())
        (own / script).chmod(0o755)
    return Machine(name, f"10.20.0.1{name[-1]}", own, command, ROOT)
