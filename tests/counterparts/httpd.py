"""Apache httpd as three systems that nobody here wrote: one behind Basic, one behind Digest, one that checks signed assertions.

The last is mod_auth_openidc as an OAuth 2.0 resource server: it reads the public keys at an address, and lets nobody in by whom it is
not named. Each shows who it thinks is there.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.ports import free_port

from .processes import missing, started

REALM = "Image archive"
_MODULES = "/usr/lib/apache2/modules"
_CONFIG = """
ServerRoot {dir}
PidFile {dir}/apache.pid
ErrorLog {dir}/apache.err
DefaultRuntimeDir {dir}
Mutex file:{dir}
ServerName 127.0.0.1
{user}
{modules}
TypesConfig /etc/mime.types
DocumentRoot {dir}/www
Listen 127.0.0.1:{basic}
Listen 127.0.0.1:{digest}
Listen 127.0.0.1:{word}
Listen 127.0.0.1:{open}
OIDCOAuthVerifyJwksUri {keys}
OIDCOAuthRemoteUserClaim sub
OIDCOAuthSSLValidateServer Off
OIDCCryptoPassphrase 0123456789abcdef0123456789abcdef
<Directory {dir}/www>
  Options +Includes
  AddType text/html .shtml
  AddOutputFilter INCLUDES .shtml
  DirectoryIndex index.shtml
</Directory>
{places}
"""
_PLACE = """
<VirtualHost 127.0.0.1:{port}>
  <Location />
    {rules}
  </Location>
</VirtualHost>
"""
_BY_PASSWORD = 'AuthType {kind}\nAuthName "{realm}"\nAuthUserFile {dir}/{name}.users\nRequire valid-user'
_PAGE = '<!doctype html><html><head><title>Archive</title></head><body><p>You are <!--#echo var="REMOTE_USER" -->.</p></body></html>'


@dataclass(frozen=True)
class Httpd:
    """Where each is."""

    basic: str
    digest: str
    word: str


@contextlib.contextmanager
def httpd(users: Mapping[str, str], *, keys: str, audience: str) -> Iterator[Httpd]:
    """`users`: names and passwords of the first two; `keys`: where the third reads the public keys of whoever may say who is there."""
    if shutil.which("apache2") is None or not Path(f"{_MODULES}/mod_auth_openidc.so").exists():
        missing("apache2 and libapache2-mod-auth-openidc", command="apache2")
    with tempfile.TemporaryDirectory(prefix="httpd-") as made:  # pytest's own folders are closed to Apache's user
        folder = Path(made)
        yield from _served(folder, users, keys, audience)


def _served(folder: Path, users: Mapping[str, str], keys: str, audience: str) -> Iterator[Httpd]:
    (folder / "www").mkdir()
    (folder / "www/index.shtml").write_text(_PAGE)
    _users(folder, users)
    ports = {name: free_port() for name in ("basic", "digest", "word", "open")}
    names = "mpm_event authn_core authn_file authz_core authz_user auth_basic auth_digest auth_openidc mime dir include"
    by_password = {
        name: _BY_PASSWORD.format(kind=name.capitalize(), realm=REALM, dir=folder, name=name)
        for name in ("basic", "digest")
    }
    rules = {**by_password, "word": f"AuthType oauth20\nRequire claim aud:{audience}", "open": "Require all granted"}
    config = folder / "apache.conf"
    config.write_text(
        _CONFIG.format(
            dir=folder,
            user="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
            modules="\n".join(f"LoadModule {name}_module {_MODULES}/mod_{name}.so" for name in names.split()),
            keys=keys,
            places="\n".join(_PLACE.format(port=ports[name], rules=rules[name]) for name in ports),
            **ports,
        )
    )
    if os.geteuid() == 0:
        shutil.chown(folder, "www-data", "www-data")
    command = ["apache2", "-f", str(config), "-DFOREGROUND"]
    with started(command, ready=f"http://127.0.0.1:{ports['open']}/", cwd=folder):
        yield Httpd(*(f"http://127.0.0.1:{ports[name]}" for name in ("basic", "digest", "word")))


def _users(folder: Path, users: Mapping[str, str]) -> None:
    """As `htpasswd -p` and `htdigest` write them; Apache reads a bare SHA-1 as well."""
    basic = [
        f"{name}:{{SHA}}{base64.b64encode(hashlib.sha1(word.encode()).digest()).decode()}"
        for name, word in users.items()
    ]
    digest = [
        f"{name}:{REALM}:{hashlib.md5(f'{name}:{REALM}:{word}'.encode()).hexdigest()}" for name, word in users.items()
    ]
    (folder / "basic.users").write_text("\n".join(basic) + "\n")
    (folder / "digest.users").write_text("\n".join(digest) + "\n")
