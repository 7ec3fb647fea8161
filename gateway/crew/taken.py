"""A configuration as it was read: the file's text and its policies' texts.

Every worker of a crew gets the same, whatever is on disk by then.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.bundle import BUNDLED, Bundle, contents

from .. import config as configuration
from ..config import Config
from ..keys import journal_key
from .post import Post

# Two crews stand side by side while one takes over from the other: what they share must be the same for both.
_FIXED = ("listen", "ops_listen", "data_dir", "name", "database_url", "redis_url")


@dataclass(frozen=True, slots=True)
class Taken:
    path: str
    config: Config
    text: str
    policies: dict[str, str]  # by path; bytes as Latin-1
    pair: str  # a hash of certificate and key

    @classmethod
    def read(cls, path: str) -> Taken:
        """Raises ConfigError, BundleError."""
        text = configuration.text_of(path)
        config = configuration.read(text, path)
        folder = Path(config.policies.path) if config.policies.path else BUNDLED
        found, problems = contents(folder)
        Bundle.of(folder, found, problems)
        return cls(
            path, config, text, {str(file): data.decode("latin-1") for file, data in found.items()}, _pair(config)
        )

    def message(self) -> dict[str, Any]:
        """For a worker: JSON-able. Secrets are in it by reference only."""
        return {"path": self.path, "text": self.text, "policies": self.policies}

    def same(self, other: Taken) -> bool:
        return (self.text, self.policies, self.pair) == (other.text, other.policies, other.pair)

    def journal_mark(self) -> str:
        """Tells one journal key from another without giving it away. Raises ConfigError."""
        return hashlib.sha256(b"lanyard journal key " + journal_key(self.config)).hexdigest()

    def hindrances(self, running: Taken, mark: str) -> list[str]:
        """Why this cannot be taken while `running` serves, whose journal's key has the `mark`. Raises ConfigError."""
        before, after = running.config.gateway, self.config.gateway
        changed = [f"gateway.{key}" for key in _FIXED if getattr(before, key) != getattr(after, key)]
        changed += ["keys.journal"] if self.journal_mark() != mark else []
        return [
            f"{key}: cannot change while the gateway runs: change it back, or stop and start the gateway"
            for key in changed
        ]


def _pair(config: Config) -> str:
    """As far as it can be read: what is wrong with it, a check says better."""
    digest = hashlib.sha256()
    for file in (config.gateway.tls_cert, config.gateway.tls_key):
        with contextlib.suppress(OSError):
            digest.update(Path(file).read_bytes() if file else b"")
    return digest.hexdigest()


def opened(message: dict[str, Any], post: dict[str, Any]) -> tuple[Config, Post]:
    """What a worker makes of it. Raises ConfigError, BundleError."""
    config = configuration.read(message["text"], message["path"])
    folder = Path(config.policies.path) if config.policies.path else BUNDLED
    texts = {Path(file): text.encode("latin-1") for file, text in message["policies"].items()}
    return config, Post(**post, bundle=Bundle.of(folder, texts))
