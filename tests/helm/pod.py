"""A pod without a cluster: what the chart renders, laid out in a folder as a kubelet would, for the real program."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from demo.ports import free_port
from gateway.credentials import seal_credentials
from sso.seal import Seal, new_key
from tests.counterparts.postgres import PASSWORD as DATABASE_PASSWORD
from tests.counterparts.processes import started
from tests.counterparts.redis_servers import PASSWORD as REDIS_PASSWORD
from tests.journey.certificate import certificate

from .chart import ROOT, Rendered
from .container import can_wall, walled

PROGRAM = Path(sys.executable).with_name("lanyard")


@dataclass
class Pod:
    """`records-0`: its mounts are folders below `folder`; its ports are free ones on loopback."""

    rendered: Rendered
    folder: Path
    stores: dict[str, str] = field(default_factory=dict)
    public: int = field(default_factory=free_port)
    ops: int = field(default_factory=free_port)
    seal: str = field(default_factory=new_key)

    def lay_out(self) -> None:
        """Everything that the pod mounts, the secrets with something in them."""
        for volume in ("data", "tmp"):
            (self.folder / volume).mkdir()
        shutil.copytree(ROOT / "policies" / "bundled", self.folder / "policies")
        version = self.folder / "configuration" / "..first"
        (version / "secrets").mkdir(parents=True)
        (version / "certificates").mkdir()
        (version / "lanyard.toml").write_text(self._at_home(self.rendered.toml), "utf-8")
        for source in self.rendered.pod["spec"]["volumes"][0]["projected"]["sources"]:
            for item in next(iter(source.values())).get("items", []):
                (version / item["path"]).write_bytes(self._content(item["path"]))
        self._show(version)
        for name in ("lanyard.toml", "secrets", "certificates"):
            version.with_name(name).symlink_to(f"..data/{name}")

    def changed(self, rendered: Rendered) -> None:
        """The ConfigMap's new content arrives, at one blow."""
        version = self.folder / "configuration" / "..second"
        shutil.copytree(version.with_name("..first"), version)
        (version / "lanyard.toml").write_text(self._at_home(rendered.toml), "utf-8")
        self._show(version)

    def _show(self, version: Path) -> None:
        """A kubelet keeps each version in a folder of its own, and turns one link."""
        version.with_name("..new").symlink_to(version.name)
        version.with_name("..new").rename(version.with_name("..data"))

    def _at_home(self, toml: str) -> str:
        """The same file with each mount's place for its path in the pod."""
        places = {
            "configuration": str(self.folder / "configuration"),
            "policies": str(self.folder / "policies"),
            "data": str(self.folder / "data"),
        }
        mounts = {
            m["mountPath"]: places[m["name"]] for m in self.rendered.container["volumeMounts"] if m["name"] in places
        }
        for path in sorted(mounts, key=len, reverse=True):
            toml = toml.replace(path, mounts[path])
        return toml

    def _content(self, path: str) -> bytes:
        match path:
            case "secrets/client-key":
                return rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            case "secrets/pas-credentials":
                return seal_credentials(b"[]", "pas", Seal.of(self.seal.encode())).encode()
            case "secrets/seal":
                return self.seal.encode()
            case "secrets/database-password":
                return DATABASE_PASSWORD.encode()
            case "secrets/redis-password":
                return REDIS_PASSWORD.encode()
            case "certificates/trust-ca":
                return certificate(self.folder)[0].read_bytes()
        return new_key().encode()

    @property
    def environment(self) -> dict[str, str]:
        """The container's variables, its listeners on loopback, and where the stores of the test are."""
        given = {
            "GATEWAY__NAME": "records-0",
            "GATEWAY__LISTEN": f"127.0.0.1:{self.public}",
            "GATEWAY__OPS_LISTEN": f"127.0.0.1:{self.ops}",
            **self.stores,
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LANYARD_")}
        return (
            clean | {"TMPDIR": str(self.folder / "tmp")} | {f"LANYARD_{name}": value for name, value in given.items()}
        )

    @property
    def configuration(self) -> Path:
        return self.folder / "configuration" / "lanyard.toml"

    @contextlib.contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        """`lanyard serve` runs until the block ends, between a container's walls where they can be had; entered when it is ready."""
        command = [str(PROGRAM), "serve", "--config", str(self.configuration)]
        if can_wall(self.folder):
            command = walled(self.folder, command)
        alive = f"http://127.0.0.1:{self.ops}/healthz"
        with started(command, ready=alive, cwd=self.folder, env=self.environment) as process:
            until = time.monotonic() + 60
            while (answer := self.readiness())[0] != 200:
                assert time.monotonic() < until, answer
                time.sleep(0.1)
            yield process

    def readiness(self) -> tuple[int, str]:
        """Asked by the pod's address, which no configuration knows."""
        return self._answer(self.ops, "10.244.1.7:9090", "/readyz")

    def status(self, host: str) -> int:
        """What the public side answers to `GET /` of a host."""
        return self._answer(self.public, host, "/")[0]

    def _answer(self, port: int, host: str, path: str) -> tuple[int, str]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as asked:
            asked.request("GET", path, headers={"Host": host})
            answer = asked.getresponse()
            return answer.status, answer.read().decode()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command in the pod, as `kubectl exec` gives it."""
        command = [PROGRAM, *words, "--config", self.configuration]
        return subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=60)
