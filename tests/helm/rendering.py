"""Run in .venv-helm: one question a line in JSON, one answer a line, with Helm's own SDK and the Kubernetes schemas.

It stands apart, because what it imports is not in the gateway's environment; `chart.py` asks it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import yaml

# Kinds that Kubernetes does not have by itself.
_FOREIGN = {"ServiceMonitor", "PrometheusRule"}


def render(chart: str, values: dict[str, Any], name: str, namespace: str) -> dict[str, Any]:
    """The objects, or what was refused."""
    try:
        with helm_python.Chart.load(chart) as loaded:
            loaded.validate_schema(values)
            made = loaded.render(values, name=name, namespace=namespace)
    except helm_python.HelmError as error:
        return {"refused": str(error)}
    return {
        "objects": objects("\n---\n".join(text for path, text in sorted(made.items()) if path.endswith(".yaml"))),
        "notes": next((text for path, text in made.items() if path.endswith("NOTES.txt")), ""),
    }


def objects(text: str) -> list[Any]:
    return [one for one in yaml.safe_load_all(text) if one]


def lint(chart: str, values: dict[str, Any]) -> list[str]:
    """What is worse than a hint."""
    report = helm_python.lint(chart, values, strict=True)
    return [one["error"] for one in report["messages"] if one["severity"] > 1] + list(report["errors"])


def wrong(made: list[dict[str, Any]], version: str) -> list[str]:
    """What the schemas of a Kubernetes say against objects."""
    found = []
    for one in made:
        if one["kind"] in _FOREIGN:
            continue
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            found.append(f"{one['kind']} {one['metadata']['name']}: {getattr(error, 'message', error)}")
    return found


def values(path: str) -> Any:
    return yaml.safe_load(Path(path).read_text("utf-8"))


ASKED = {"render": render, "objects": objects, "lint": lint, "wrong": wrong, "values": values}

if __name__ == "__main__":
    for line in sys.stdin:
        what, given = json.loads(line)
        print(json.dumps(ASKED[what](*given)), flush=True)
