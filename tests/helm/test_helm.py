"""The same chart under the real `helm`, of the version before the SDK's."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from .chart import CHART, ROOT, SETS, Chart

# What Go builds says that it is for a Kubernetes of 2020.
KUBERNETES = ["--kube-version", "1.30.0"]


@pytest.fixture(scope="module")
def helm() -> str:
    """Helm 3, where Go could make it or the machine has it."""
    own = ROOT / ".venv-helm" / "bin" / "helm"
    found = str(own) if own.exists() else shutil.which("helm")
    if found is None:
        pytest.skip("helm is missing, and Go to make it: install either (`make chart` does the rest)")
    if not subprocess.run([found, "version", "--short"], capture_output=True, text=True).stdout.startswith("v3."):
        pytest.skip(f"{found} is no Helm 3")
    return found


@pytest.mark.counterpart
@pytest.mark.parametrize("name", SETS)
def test_helm_makes_the_same_of_it(chart: Chart, helm: str, name: str) -> None:
    """Linted strictly, and rendered into the same objects as by the SDK."""
    values = ["--values", str(CHART / "ci" / f"{name}.yaml"), *KUBERNETES]
    linted = subprocess.run([helm, "lint", "--strict", CHART, *values], capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    said = subprocess.run(
        [helm, "template", "lanyard", CHART, "--namespace", "records", *values], capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr

    def ordered(objects: list[dict[str, object]]) -> list[str]:
        return sorted(json.dumps(one, sort_keys=True) for one in objects)

    assert ordered(chart.objects(said.stdout)) == ordered(chart.render(chart.values(name)).objects)


@pytest.mark.counterpart
def test_helm_refuses_a_secret(chart: Chart, helm: str, tmp_path: Path) -> None:
    """The schema holds there too, and the value is not repeated."""
    refused = subprocess.run(
        [
            helm,
            "template",
            CHART,
            "--values",
            CHART / "ci/smallest.yaml",
            *KUBERNETES,
            "--set",
            "secrets.seal=c2VjcmV0",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert refused.returncode != 0
    assert "c2VjcmV0" not in refused.stdout + refused.stderr


@pytest.mark.counterpart
def test_the_package_holds_the_chart_and_nothing_else(helm: str, chart: Chart, tmp_path: Path) -> None:
    """What is given out has no set of values for tests in it."""
    subprocess.run([helm, "package", CHART, "--destination", tmp_path], capture_output=True, check=True)
    (archive,) = tmp_path.glob("*.tgz")
    shutil.unpack_archive(archive, tmp_path)
    files = {str(p.relative_to(tmp_path / "lanyard")) for p in (tmp_path / "lanyard").rglob("*") if p.is_file()}
    assert {"Chart.yaml", "values.yaml", "values.schema.json", "README.md"} <= files
    assert not any(name.startswith("ci/") for name in files)
