"""The chart as the tests ask it: rendered, linted, and held against the schemas of Kubernetes."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.counterparts.processes import missing

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "lanyard"
SETS = ("smallest", "postgresql", "sentinel", "everything")
_PYTHON = ROOT / ".venv-helm" / "bin" / "python"

Values = dict[str, Any]


class Refused(Exception):
    """The chart does not take the values."""


@dataclass
class Rendered:
    """The objects of one release."""

    objects: list[dict[str, Any]]
    notes: str = ""

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.objects if one["kind"] == kind]

    def one(self, kind: str) -> dict[str, Any]:
        (found,) = self.of(kind)
        return found

    @property
    def pod(self) -> dict[str, Any]:
        """The replicas' template."""
        return self.one("StatefulSet")["spec"]["template"]  # type: ignore[no-any-return]  # YAML

    @property
    def container(self) -> dict[str, Any]:
        return self.pod["spec"]["containers"][0]  # type: ignore[no-any-return]  # YAML

    @property
    def toml(self) -> str:
        """The gateway's configuration."""
        return self.one("ConfigMap")["data"]["lanyard.toml"]  # type: ignore[no-any-return]  # YAML


@dataclass
class Chart:
    """One process in the chart's own environment answers all questions."""

    process: subprocess.Popen[str]
    _sets: dict[str, Values] = field(default_factory=dict)

    def values(self, name: str) -> Values:
        """A copy of one of the sets in `ci/`, to be changed as one likes."""
        if name not in self._sets:
            self._sets[name] = self._ask("values", str(CHART / "ci" / f"{name}.yaml"))
        return deepcopy(self._sets[name])

    def render(self, values: Values, name: str = "lanyard", namespace: str = "records") -> Rendered:
        """Raises Refused."""
        made = self._ask("render", str(CHART), values, name, namespace)
        if "refused" in made:
            raise Refused(made["refused"])
        return Rendered(made["objects"], made["notes"])

    def lint(self, values: Values) -> list[str]:
        return self._ask("lint", str(CHART), values)  # type: ignore[no-any-return]  # JSON

    def wrong(self, rendered: Rendered, version: str) -> list[str]:
        return self._ask("wrong", rendered.objects, version)  # type: ignore[no-any-return]  # JSON

    def objects(self, text: str) -> list[dict[str, Any]]:
        return self._ask("objects", text)  # type: ignore[no-any-return]  # JSON

    def _ask(self, *question: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([question[0], question[1:]]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@contextlib.contextmanager
def chart() -> Iterator[Chart]:
    """Skips, or fails in CI, where the chart's own environment is missing."""
    if not _PYTHON.with_name("..").joinpath(".ready").exists():
        missing("what `make chart` installs", command=".venv-helm")
    script = Path(__file__).with_name("rendering.py")
    process = subprocess.Popen(
        [_PYTHON, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield Chart(process)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(10)
        process.stdout.close()
