"""The values that the chart takes: the gateway's settings, all of them and nothing else, and no secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.config import settings

from . import values_schema
from .chart import CHART, Chart, Refused, Values

Change = Callable[[Values], Any]


def test_the_schema_knows_every_setting_and_nothing_else() -> None:
    """A setting that is new to the gateway is new to the chart as well: `make chart` writes it."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    assert set(values_schema.named(schema["properties"]["config"])) == set(settings())


def test_the_schema_is_as_it_would_be_written_now() -> None:
    """Nobody edits it by hand: `make chart` writes it out of the settings."""
    assert (CHART / "values.schema.json").read_text("utf-8") == values_schema.whole()


def open_tables(schema: dict[str, Any], where: str = "") -> list[str]:
    """Objects with keys of their own that would take others."""
    below = [*schema.get("properties", {}).items()]
    below += [("*", schema["items"])] if "items" in schema else []
    found = [name for key, one in below for name in open_tables(one, f"{where}.{key}")]
    return found + [where] * ("properties" in schema and schema.get("additionalProperties") is not False)


def test_the_schema_is_closed() -> None:
    """A key that is misspelt anywhere is refused, in the chart's own part as in the gateway's."""
    assert open_tables(json.loads(values_schema.whole())) == []
    assert open_tables({"properties": {"a": {"properties": {}}}, "additionalProperties": False}) == [".a"]


def gateway(**given: Any) -> Change:
    return lambda values: values["config"]["gateway"].update(given)


def without(*path: str) -> Change:
    def change(values: Any) -> None:
        for key in path[:-1]:
            values = values[key]
        del values[path[-1]]

    return change


def option(**given: Any) -> Change:
    return lambda values: values["config"]["systems"][0]["options"].update(given)


REFUSED: dict[str, tuple[Change, str]] = {
    "a secret for its reference": (lambda v: v["secrets"].update(seal="c2VjcmV0"), "/secrets/seal"),
    "a secret in the configuration": (lambda v: v["config"]["keys"].update(seal="c2VjcmV0"), "/config/keys/seal"),
    "a secret for its file": (lambda v: v["config"]["keys"].update(seal={"file": "c2VjcmV0"}), "`seal`"),
    "a secret from the environment": (lambda v: v["config"]["keys"].update(seal={"env": "X"}), "/config/keys/seal"),
    "a token among a system's options": (option(token="c2VjcmV0"), "/options/token"),
    "a password in an address": (
        gateway(database_url="postgresql://lanyard:c2VjcmV0@db/lanyard?sslmode=verify-full"),
        "/gateway/database_url",
    ),
    "a private key for its file": (gateway(tls_cert="/x", tls_key="c2VjcmV0"), "`tls_key`"),
    "credentials for their file": (lambda v: v["config"]["systems"][1].update(credentials="c2VjcmV0"), "`credentials`"),
    "a misspelt setting": (gateway(databse_url="x"), "databse_url"),
    "a misspelt value": (lambda v: v.update(replica=2), "replica"),
    "no address": (without("config", "gateway", "public_url"), "public_url"),
    "no provider": (without("config", "sso"), "sso"),
    "no image": (without("image", "repository"), "repository"),
    "the newest image": (lambda v: v["image"].update(tag="latest"), "/image/tag"),
    "a number for a duration": (gateway(drain=30), "/gateway/drain"),
    "no keys": (without("secrets", "seal"), "seal"),
    "a file that nothing puts there": (without("secrets", "redis-password"), "`secrets.redis-password`"),
    "authorities that nothing puts there": (without("certificates", "trust-ca"), "`certificates.trust-ca`"),
    "several replicas that share nothing": (without("config", "gateway", "database_url"), "`replicas`"),
    "no proxies behind an ingress": (gateway(trusted_proxies=[]), "trusted_proxies"),
    "one name for all": (gateway(name="gateway"), "`config.gateway.name`"),
    "another folder": (gateway(data_dir="/data"), "`config.gateway.data_dir`"),
    "loopback": (gateway(ops_listen="127.0.0.1:9090"), "`config.gateway.ops_listen`"),
    "policies twice": (lambda v: v["config"].update(policies={"path": "/x"}), "`policies.configMap`"),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_would_not_be_safe_is_refused(chart: Chart, wrong: str) -> None:
    """Before anything reaches a cluster, with the key; what may have been a secret is not repeated."""
    change, key = REFUSED[wrong]
    values = chart.values("everything")
    change(values)
    with pytest.raises(Refused) as refused:
        chart.render(values)
    assert key in str(refused.value)
    assert "c2VjcmV0" not in str(refused.value)


def test_a_name_that_is_no_gateways_is_refused(chart: Chart) -> None:
    """With the value that gives another."""
    with pytest.raises(Refused, match="`fullname`"):
        chart.render(chart.values("smallest"), name="1st")


def test_the_chart_has_no_default_that_starts(chart: Chart) -> None:
    """An address, a provider, keys and an image are the operator's."""
    with pytest.raises(Refused):
        chart.render({})


def test_every_value_of_the_chart_stands_in_its_table() -> None:
    """An operator finds each key of the chart in the documentation."""
    page = (CHART.parents[1] / "docs" / "deployment.md").read_text("utf-8")
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    own = {name for name in values_schema.named(schema) if not name.startswith(("config.", "global"))}
    assert {name for name in own if f"`{name}`" not in page} == set()
