"""The peers of the bench: an nginx upstream with one 4 kB answer, a bare nginx proxy, Apache with mod_auth_openidc."""

from __future__ import annotations

import contextlib
import http.cookiejar
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from demo.ports import free_port

NGINX = """
daemon off; worker_processes 1; pid {dir}/{name}.pid; error_log {dir}/{name}.err; {user}
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 10000000; keepalive_timeout 300s;
  client_body_temp_path {dir}/{name}-b; proxy_temp_path {dir}/{name}-p; fastcgi_temp_path {dir}/{name}-f;
  uwsgi_temp_path {dir}/{name}-u; scgi_temp_path {dir}/{name}-s; default_type application/json;
  {http}
}}
"""
UPSTREAM = """
  server {{ listen 127.0.0.1:{port} reuseport; root {dir}/www; default_type text/html;
    location / {{ try_files /answer.html =404; }}
    location /long/ {{ try_files /long.html =404; }}
    location = /login {{
      if ($request_method = POST) {{ add_header Set-Cookie "SID=0123456789abcdef; Path=/" always; return 302 /home; }}
      return 200 '<html><form method="post" action="/login"><input name="user"><input name="word" type="password"></form></html>';
    }} }}
"""
PROXY = """
  upstream u {{ server 127.0.0.1:{to}; keepalive 64; keepalive_requests 10000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://u; }} }}
"""
APACHE = """
ServerRoot /etc/apache2
PidFile {dir}/apache.pid
ErrorLog {dir}/apache.err
DefaultRuntimeDir {dir}
Mutex file:{dir}
ServerName 127.0.0.1
{user}
Listen 127.0.0.1:{port}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
LoadModule auth_openidc_module /usr/lib/apache2/modules/mod_auth_openidc.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
MaxKeepAliveRequests 0
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client}
OIDCClientSecret gateway-secret-0123456789abcdef0123456789
OIDCRedirectURI http://127.0.0.1:{port}/oidc/callback
OIDCCryptoPassphrase 0123456789abcdef0123456789abcdef
OIDCScope "openid profile"
OIDCPKCEMethod S256
OIDCSessionType server-cache
OIDCSessionInactivityTimeout 3600
OIDCCookieSameSite Off
<Location />
  AuthType openid-connect
  Require valid-user
  ProxyPass http://127.0.0.1:{to}/ enablereuse=on keepalive=on max=64
</Location>
<Location /oidc/callback>
  AuthType openid-connect
  Require valid-user
  ProxyPass !
</Location>
"""


@contextlib.contextmanager
def process(command: list[str], port: int, *, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run until the block ends; enter it when something accepts on `port`."""
    running = subprocess.Popen(command, env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL)
    try:
        _accepts(running, port)
        yield running
    finally:
        running.terminate()
        running.wait(10)


def _accepts(running: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(600):
        if running.poll() is not None:
            raise RuntimeError(f"`{running.args!r}` ended with {running.returncode}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
        except urllib.error.HTTPError as answered:
            answered.close()
            return
        except OSError:
            time.sleep(0.05)
            continue
        return
    raise RuntimeError(f"nothing listens on {port}")


@contextlib.contextmanager
def nginx(folder: Path, name: str, http: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    config = folder / f"{name}.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(NGINX.format(dir=folder, name=name, http=http, user=user))
    with process(["nginx", "-c", str(config), "-e", str(folder / f"{name}.err")], port) as running:
        yield running


@contextlib.contextmanager
def upstream(folder: Path) -> Iterator[int]:
    (folder / "www").mkdir()
    (folder / "www/answer.html").write_bytes(b"<html><body>" + b"x" * (4096 - 26) + b"</body></html>")
    # Longer than what is read ahead, so that it streams.
    (folder / "www/long.html").write_bytes(b"<!doctype html><html><head><title>x</title><body>" + b"x" * 128 * 1024)
    port = free_port()
    with nginx(folder, "upstream", UPSTREAM.format(dir=folder, port=port), port):
        yield port


@contextlib.contextmanager
def bare_proxy(folder: Path, to: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    with nginx(folder, "proxy", PROXY.format(port=port, to=to), port) as running:
        yield port, running


@contextlib.contextmanager
def mod_auth_openidc(folder: Path, to: int, issuer: str, port: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The session cookie of a browser signed on there, and the process."""
    with apache(folder, to, issuer, port) as running:
        yield _sign_on(f"http://127.0.0.1:{port}/"), running


@contextlib.contextmanager
def apache(
    folder: Path, to: int, issuer: str, port: int, *, client: str = "gateway"
) -> Iterator[subprocess.Popen[bytes]]:
    """With mod_auth_openidc, as `client` of the provider; nobody is signed on."""
    config = folder / "apache.conf"
    user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    config.write_text(APACHE.format(dir=folder, port=port, to=to, issuer=issuer, user=user, client=client))
    if os.geteuid() == 0:
        shutil.chown(folder, "www-data", "www-data")
    with process(["apache2", "-f", str(config), "-DFOREGROUND"], port) as running:
        yield running


def _sign_on(url: str) -> str:
    """Walk the provider's real login form; returns the Cookie line."""
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    browser.addheaders = [("Accept", "text/html")]
    with browser.open(url) as page:
        text, where = page.read().decode(), page.geturl()
    action = re.search(r'action="([^"]+)"', text)
    if action is None:
        sys.exit("the provider showed no login form")
    fields = urllib.parse.urlencode({"login": "n.okoye", "password": "battery staple", "otp": ""}).encode()
    browser.open(urllib.parse.urljoin(where, action[1]), fields).close()
    return "; ".join(f"{c.name}={c.value}" for c in jar if c.name.startswith("mod_auth_openidc"))
