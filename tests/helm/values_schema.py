"""The gateway's own settings into the `config` part of the chart's values schema, so that the two are never apart.

`python -m tests.helm.values_schema` writes `helm/lanyard/values.schema.json` again, out of `values.base.json` beside this
file (what is the chart's own) and `gateway/config.py` (what is the gateway's).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from gateway import config

SCHEMA = Path(__file__).parents[2] / "helm" / "lanyard" / "values.schema.json"
BASE = Path(__file__).parent / "values.base.json"

_DURATION = {"type": "string", "pattern": r"^[0-9]+(ms|s|m|h|d)$"}
_SIZE = {"type": "string", "pattern": r"^[0-9]+ ?(B|KiB|MiB|GiB)$"}
_PASSWORDLESS = {"type": "string", "not": {"pattern": r"://[^/@]*:[^/@]*@"}}
_SECRET = {
    "description": "a file of `secrets`, never the secret",
    "type": "object",
    "properties": {"file": {"type": "string"}},  # which one, the template checks: a pattern here would repeat the value
    "required": ["file"],
    "additionalProperties": False,
}
# Connectors have options of their own; what is called like a secret is one.
_OPTIONS = {
    "type": "object",
    "patternProperties": {"(^|_)(token|password|secret|passphrase|client_key|private_key|api_key)$": _SECRET},
}
_WRITTEN: dict[object, dict[str, Any]] = {
    config._seconds: _DURATION,
    config._bytes: _SIZE,
    config._secret: _SECRET,
    config._redis: _PASSWORDLESS,
    config._database: _PASSWORDLESS,
}


class _AsWritten(GenerateJsonSchema):
    """What stands in the file, not what the gateway makes of it: `30s` is a string there."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> dict[str, Any]:
        written = _WRITTEN.get(schema["function"]["function"])
        return dict(written) if written else super().function_before_schema(schema)

    def function_after_schema(self, schema: core_schema.AfterValidatorFunctionSchema) -> dict[str, Any]:
        written = _WRITTEN.get(schema["function"]["function"])
        return dict(written) if written else super().function_after_schema(schema)

    def nullable_schema(self, schema: core_schema.NullableSchema) -> dict[str, Any]:
        """TOML has no null: what is not set is left out."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        """Defaults are documented with the settings, and are seconds and bytes here."""
        return self.generate_inner(schema["schema"])


def configuration() -> dict[str, Any]:
    """The schema of `config`, its tables written out in place."""
    made = config.Config.model_json_schema(schema_generator=_AsWritten)
    tables = made.pop("$defs")
    schema: dict[str, Any] = _plain(made, tables)
    schema["properties"]["systems"]["items"]["properties"]["options"] = _OPTIONS
    return schema


def _plain(schema: Any, tables: Mapping[str, Any]) -> Any:
    """References followed; titles, which only repeat the keys, and bounds of seconds and bytes left out."""
    if isinstance(schema, list):
        return [_plain(one, tables) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _plain(tables[schema["$ref"].rpartition("/")[2]], tables)
    return {
        key: {name: _plain(one, tables) for name, one in value.items()}
        if key == "properties"
        else _plain(value, tables)
        for key, value in schema.items()
        if not (key in ("title", "description") and isinstance(value, str)) and key not in ("ge", "le")
    }


def whole() -> str:
    """The chart's schema, as it stands in its file."""
    schema = json.loads(BASE.read_text("utf-8"))
    schema["properties"]["config"] = configuration()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def named(schema: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted names of everything that a schema knows, as `gateway.config.settings` gives them."""
    for name, below in schema.get("properties", {}).items():
        table = below.get("items", below)
        if "properties" in table and table["properties"].keys() != {"file"}:
            yield from named(table, f"{prefix}{name}.")
        else:
            yield prefix + name


if __name__ == "__main__":
    SCHEMA.write_text(whole(), "utf-8")
