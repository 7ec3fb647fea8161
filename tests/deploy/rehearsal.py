"""What two operators would see: the two machines of deploy/two-machines, begun, one lost, upgraded, rolled back, their primary lost.

`rehearsal.py nginx` or `haproxy`, run by `test_two_machines.py` as a process of its own, in namespaces of its own. The files are used as
they stand, with other folders. Prints one JSON object.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from sso.seal import new_key
from tests.counterparts import postgres, provider
from tests.journey.browser import Browser, Page

from .databases import databases
from .ground import HUB, Machine, lay, until
from .load import Load
from .records import record_system
from .site import EPR, FOLDER, HOSTS, PUBLIC, ROOT, certificates, machine, next_release
from .story import Story, lasting

HEAD = "0002"  # this code's revision


def signed_on(trusted: ssl.SSLContext) -> str:
    """N Okoye signs on at the shared address and opens the record; her cookie there."""
    with Browser(trusted, resolves=True) as browser:
        form = browser.submit(browser.get(f"https://{PUBLIC}/"))
        page: Page = browser.submit(
            form, login="n.okoye", password=provider.USERS["n.okoye"]["password"], otp=provider.OTP
        )
        assert page.url == f"https://{PUBLIC}/", page.url
        opened = browser.get(f"https://{EPR}/Patient/1", came_from=f"https://{PUBLIC}/")
        assert opened.status == 200, opened.text
        return "; ".join(f"{name}={value}" for name, value in browser.cookies[EPR].items())


def told(story: Story, balancer: str) -> dict[str, Any]:
    """The chapters; those that are the same behind either balancer once."""
    story.begins()
    story.a_machine_loses_its_power()
    story.a_gateway_dies_under_writes()
    story.both_are_upgraded()
    story.both_are_rolled_back(ROOT, HEAD)
    if balancer == "nginx":
        story.the_primary_is_lost()
        story.the_old_primary_comes_back()
    return story.ends()


def settled(one: Machine, other: Machine) -> bool:
    """One of the two has the address, and has it still after a while in which both may have spoken."""
    first = one.has_shared_address()
    for _ in range(20):
        if one.has_shared_address() is not first or other.has_shared_address() is first:
            return False
        lasting(0.1)
    return True


def journalled(both: Sequence[Machine], source: str) -> bool:
    """Whether a request from that address is in a journal."""
    return any(
        f'"{source}"'.encode() in one.read_bytes()
        for m in both
        for one in (m.folder / "data" / "journal").rglob("*.seg")
    )


def main(balancer: str) -> dict[str, Any]:
    subprocess.run(["mount", "-t", "tmpfs", "none", str(FOLDER)], check=True)
    FOLDER.chmod(0o755)
    lay(HOSTS, FOLDER)
    tls = FOLDER / "tls"
    tls.mkdir()
    certificates(tls)
    trusted = ssl.create_default_context(cafile=tls / "ca.crt")
    with contextlib.ExitStack() as running:
        client = provider.client(
            "lanyard", f"https://{PUBLIC}/sign-on/callback", post_logout_redirect_uris=[f"https://{PUBLIC}/signed-off"]
        )
        login = "http://login.example.nhs.uk:{port}"
        issuer = running.enter_context(provider.oidc_provider([client], origin=login, host=HUB)).issuer
        records = running.enter_context(record_system(HUB))
        stores = running.enter_context(databases(FOLDER, tls))
        keys = {f"{name}.key": new_key() for name in ("seal", "vault", "journal")}
        keys |= {"client.secret": provider.secret_of("lanyard"), "database.secret": postgres.PASSWORD}
        sso = {
            "issuer": issuer,
            "insecure_issuer": True,
            "scopes": ["profile", "clinical"],
            "claims": {"roles": "roles"},
        }
        changes, ports = {"sso": sso, "epr": records.url}, (stores.db1.port, stores.db2.port)
        one, other = (machine(f"gw{n}", tls, keys, changes, ports, balancer) for n in (1, 2))
        try:
            for each in (one, other):
                each.plug_in()
            migrated = one.lanyard("database", "migrate")
            assert migrated.returncode == 0, migrated.stderr
            for each in (one, other):
                each.begin_all()
            for each in (one, other):
                until(each.ready, f"{each.name} is ready")
            until(lambda: settled(one, other), "one of them has the address")
            load = Load(EPR, trusted, signed_on(trusted))
            running.callback(load.end)
            newer = next_release(FOLDER / "newer", HEAD)
            story = Story((one, other), load, records, stores, newer, lambda: signed_on(trusted))
            figures = told(story, balancer)
            figures["believed_forged_address"] = journalled((one, other), "192.0.2.66")
            figures["journalled_own_address"] = journalled((one, other), HUB)
        except BaseException:
            print("\n".join(each.words() for each in (one, other)), file=sys.stderr)
            raise
        finally:
            for each in (one, other):
                with contextlib.suppress(subprocess.CalledProcessError):
                    each.lose_power()
    return figures


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
