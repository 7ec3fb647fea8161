"""DokuWiki as an old system: the login form inside a 200, absolute URLs, PHP."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from demo.ports import free_port

from .processes import missing, started

USERS = {"lee": "legacy-lee", "okoye": "legacy-okoye"}
LOCAL = """<?php
$conf['title'] = 'Ward notes'; $conf['lang'] = 'en'; $conf['useacl'] = 1; $conf['superuser'] = '@admin';
$conf['savedir'] = './data'; $conf['canonical'] = 1; $conf['disableactions'] = 'register'; $conf['rememberme'] = 1;
$conf['auth_security_timeout'] = 900; $conf['userewrite'] = 0;
"""


@contextlib.contextmanager
def dokuwiki(folder: Path) -> Iterator[str]:
    """Its origin. A private copy of the packaged wiki, on PHP's own server."""
    if not shutil.which("php"):
        missing("php-cli php-xml php-mbstring php-gd", command="php")
    if not Path("/usr/share/dokuwiki/doku.php").exists():
        missing("dokuwiki", command="dokuwiki")
    wiki = folder / "wiki"
    shutil.copytree("/usr/share/dokuwiki", wiki, symlinks=False, ignore_dangling_symlinks=True, dirs_exist_ok=True)
    for source, target in (
        ("/etc/dokuwiki", "conf"),
        ("/var/lib/dokuwiki/data", "data"),
        ("/var/lib/dokuwiki/lib", "lib"),
    ):
        shutil.copytree(source, wiki / target, symlinks=False, ignore_dangling_symlinks=True, dirs_exist_ok=True)
    (wiki / "inc/preload.php").write_text("<?php\n")
    (wiki / "conf/local.php").write_text(LOCAL)
    (wiki / "conf/acl.auth.php").write_text("* @ALL 0\n* @user 8\n")
    (wiki / "conf/users.auth.php").write_text("".join(_line(user, word) for user, word in USERS.items()))
    (wiki / "data/pages").mkdir(parents=True, exist_ok=True)
    (wiki / "data/pages/start.txt").write_text("====== Ward round ======\nBed 4: review bloods.\n")
    (wiki / "data/tmp").mkdir(exist_ok=True)
    port = free_port()
    run = ["php", "-d", f"session.save_path={wiki}/data/tmp", "-d", "display_errors=0", "-S", f"127.0.0.1:{port}"]
    with started(run, ready=f"http://127.0.0.1:{port}/doku.php", cwd=wiki, env={"PHP_CLI_SERVER_WORKERS": "4"}):
        yield f"http://127.0.0.1:{port}"


def _line(user: str, word: str) -> str:
    code = f"echo password_hash('{word}', PASSWORD_BCRYPT);"
    hashed = subprocess.run(["php", "-r", code], check=True, capture_output=True, text=True).stdout
    return f"{user}:{hashed}:{user} Adler:{user}@h.test:user\n"
