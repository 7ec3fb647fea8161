"""What `helm upgrade` changes in the configuration arrives at a pod that runs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .chart import Chart
from .pod import Pod

PAS = "pas.records.example.nhs.uk"


@pytest.mark.counterpart
def test_a_changed_configmap_arrives(chart: Chart, tmp_path: Path) -> None:
    """A system that is added has its host at once, as a kubelet turns the folder's link; the journal bears the pod's name."""
    values = chart.values("smallest")
    pod = Pod(chart.render(values), tmp_path)
    pod.lay_out()
    system = chart.values("everything")["config"]["systems"][1]
    with pod.serving():
        assert pod.status(PAS) == 421
        values["config"]["systems"] = [{key: system[key] for key in system.keys() - {"host", "credentials"}}]
        pod.changed(chart.render(values))
        until = time.monotonic() + 60
        while pod.status(PAS) == 421:
            assert time.monotonic() < until, "the change did not arrive"
            time.sleep(0.2)
    writers = {folder.name for folder in (pod.folder / "data" / "journal").iterdir()}
    assert any(name.startswith("records-0") for name in writers)
