"""A pod without a cluster: what the chart renders, laid out in a folder as a kubelet would, for the real program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from demo.ports import free_port
from gateway.credentials import seal_credentials
from sso.seal import Seal, new_key
from tests.counterparts.postgres import PASSWORD as DATABASE_PASSWORD
from tests.counterparts.redis_servers import PASSWORD as REDIS_PASSWORD
from tests.journey.certificate import certificate

from .chart import ROOT, Rendered

PROGRAM = Path(sys.executable).with_name("lanyard")


@dataclass
class Pod:
    """`records-0`: its mounts are folders below `folder`; its ports are free ones on loopback."""

    rendered: Rendered
    folder: Path
    stores: dict[str, str] = field(default_factory=dict)
    ops: int = field(default_factory=free_port)
    seal: str = field(default_factory=new_key)

    def lay_out(self) -> None:
        """Everything that the pod mounts, the secrets with something in them."""
        (self.folder / "data").mkdir()
        shutil.copytree(ROOT / "policies" / "bundled", self.folder / "policies")
        configuration = self.folder / "configuration"
        (configuration / "secrets").mkdir(parents=True)
        (configuration / "certificates").mkdir()
        (configuration / "lanyard.toml").write_text(self._at_home(self.rendered.toml), "utf-8")
        for source in self.rendered.pod["spec"]["volumes"][0]["projected"]["sources"]:
            for item in next(iter(source.values())).get("items", []):
                (configuration / item["path"]).write_bytes(self._content(item["path"]))

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
            "GATEWAY__LISTEN": f"127.0.0.1:{free_port()}",
            "GATEWAY__OPS_LISTEN": f"127.0.0.1:{self.ops}",
            **self.stores,
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LANYARD_")}
        return clean | {f"LANYARD_{name}": value for name, value in given.items()}

    @property
    def configuration(self) -> Path:
        return self.folder / "configuration" / "lanyard.toml"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command in the pod, as `kubectl exec` gives it."""
        command = [PROGRAM, *words, "--config", self.configuration]
        return subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=60)
