"""The image as its file says it: what the chart counts on."""

from __future__ import annotations

import json
import re

import pytest

from .chart import ROOT, Chart

STAGES = (ROOT / "Dockerfile").read_text("utf-8").split("\nFROM ")[1:]


def lines(stage: str, word: str) -> list[str]:
    return re.findall(rf"^{word} (.+)$", stage, re.MULTILINE)


def test_the_image_runs_as_the_chart_runs_it(chart: Chart) -> None:
    """The same number for user and group, as a number, so that the cluster sees that it is not root's."""
    spec = chart.render(chart.values("smallest")).pod["spec"]["securityContext"]
    assert lines(STAGES[-1], "USER")[-1] == f"{spec['runAsUser']}:{spec['runAsGroup']}"
    assert spec["fsGroup"] == spec["runAsGroup"]


def test_the_image_serves_when_it_is_started() -> None:
    """`lanyard serve`, and another command of ours where one is given."""
    assert json.loads(lines(STAGES[-1], "ENTRYPOINT")[-1]) == ["lanyard"]
    assert json.loads(lines(STAGES[-1], "CMD")[-1])[:1] == ["serve"]


def test_no_compiler_is_in_the_image() -> None:
    """What is installed is wheels, made elsewhere; the last stage installs nothing."""
    assert "--only-binary" in STAGES[0]
    assert not re.search(r"apt-get|pip install|build-essential|gcc", STAGES[-1])


@pytest.mark.parametrize("package", ["policies", "sso", "connectors", "gateway", "demo"])
def test_every_package_is_in_the_image(package: str) -> None:
    """A package that is left out is missed at the first start."""
    assert f"{package} {package}" in lines(STAGES[0], "COPY")
