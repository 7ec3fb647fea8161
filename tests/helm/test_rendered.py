"""What the chart makes of each of its four sets of values, and what must hold for all of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gateway.config import Config
from gateway.metrics import Metrics

from .chart import SETS, Chart, Rendered

OLDEST, NEWEST = "1.30", "1.37"


def selects(selector: dict[str, str], pod: dict[str, Any]) -> bool:
    """By what every version of a release has: a selector with a version in it would lose the pods of an upgrade half done."""
    plain = selector.keys() == {"app.kubernetes.io/name", "app.kubernetes.io/instance"}
    return plain and selector.items() <= pod["metadata"]["labels"].items()


@pytest.mark.parametrize("name", SETS)
def test_each_set_is_linted(chart: Chart, name: str) -> None:
    """Helm itself finds nothing to warn of."""
    assert chart.lint(chart.values(name)) == []


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_takes_the_objects(chart: Chart, rendered: Rendered, version: str) -> None:
    """Every object is as the schemas of the oldest and the newest Kubernetes want it."""
    assert chart.wrong(rendered, version) == []


def test_what_kubernetes_would_not_take_is_seen(chart: Chart) -> None:
    """The check can fail: a word for a number, and a field that does not exist."""
    made = chart.render(chart.values("smallest"))
    made.one("StatefulSet")["spec"]["replicas"] = "three"
    made.pod["spec"]["terminationGracePeriod"] = 30
    assert any("StatefulSet" in one for one in chart.wrong(made, NEWEST))


def test_no_container_may_do_more_than_it_must(rendered: Rendered) -> None:
    """Nobody's root, nothing to write but its volumes, no capability, no account at the cluster."""
    spec = rendered.pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert rendered.one("ServiceAccount")["automountServiceAccountToken"] is False
    containers = [*spec["containers"], *spec.get("initContainers", [])]
    for one in containers:
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert one["resources"]["requests"]
        assert one["resources"]["limits"]["memory"]
    assert "hostPath" not in json.dumps(spec)
    assert not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))


def test_the_image_is_named_exactly(rendered: Rendered) -> None:
    """By digest or by tag, and never the newest."""
    image = rendered.container["image"]
    assert re.fullmatch(r"registry\.example/lanyard(@sha256:[0-9a-f]{64}|:[0-9][0-9.]*)", image), image


def test_no_object_is_or_holds_a_secret(rendered: Rendered) -> None:
    """Secrets are named: the chart makes none, and no variable carries one."""
    assert rendered.of("Secret") == []
    assert all("value" not in one for one in rendered.container.get("env", []))
    sources = rendered.pod["spec"]["volumes"][0]["projected"]["sources"]
    given = {item["path"] for s in sources if "secret" in s for item in s["secret"]["items"]}
    named = set(re.findall(r"/etc/lanyard/(secrets/[\w.-]+)", rendered.toml))
    assert named == given


def test_each_pod_bears_its_own_name(rendered: Rendered) -> None:
    """The journal of a replica is called by its pod, and no Service's variable is mistaken for a setting."""
    (name,) = [one for one in rendered.container["env"] if one["name"] == "LANYARD_GATEWAY__NAME"]
    assert name["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    assert rendered.pod["spec"]["enableServiceLinks"] is False
    assert "\nname = " not in rendered.toml.partition("[gateway]")[2].partition("\n[")[0]


def test_configuration_is_mounted_as_a_folder(rendered: Rendered) -> None:
    """What is changed in it arrives at a pod that runs: a single file would stay as it was."""
    mounts = {one["mountPath"]: one for one in rendered.container["volumeMounts"]}
    assert all("subPath" not in one for one in mounts.values())
    assert mounts["/etc/lanyard"]["readOnly"] is True
    assert rendered.container["args"] == ["serve", "--config", "/etc/lanyard/lanyard.toml"]
    assert {"/var/lib/lanyard", "/tmp"} <= mounts.keys()


def test_each_replica_keeps_its_journal(rendered: Rendered) -> None:
    """A volume of its own, that neither scaling down nor uninstalling takes away."""
    spec = rendered.one("StatefulSet")["spec"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    (claim,) = spec["volumeClaimTemplates"]
    (mount,) = [one for one in rendered.container["volumeMounts"] if one["name"] == claim["metadata"]["name"]]
    assert mount["mountPath"] == "/var/lib/lanyard"
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_a_disruption_leaves_somebody_who_serves(rendered: Rendered) -> None:
    """With several replicas one may be away at a time; with one, no budget stands in a node's way."""
    replicas = rendered.one("StatefulSet")["spec"]["replicas"]
    budgets = rendered.of("PodDisruptionBudget")
    assert bool(budgets) == (replicas > 1)
    for budget in budgets:
        assert budget["spec"]["maxUnavailable"] < replicas
        assert selects(budget["spec"]["selector"]["matchLabels"], rendered.pod)


def test_replicas_are_spread(rendered: Rendered) -> None:
    """Over nodes, and over zones where there are any."""
    spread = {one["topologyKey"]: one for one in rendered.pod["spec"]["topologySpreadConstraints"]}
    assert spread.keys() == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    assert all(one["maxSkew"] == 1 for one in spread.values())
    assert all(selects(one["labelSelector"]["matchLabels"], rendered.pod) for one in spread.values())


def test_probes_ask_the_operators_port(rendered: Rendered) -> None:
    """Alive and ready are two questions, and neither comes through the public side."""
    one = rendered.container
    ports = {p["name"]: p["containerPort"] for p in one["ports"]}
    for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert one[probe]["httpGet"] == {"path": path, "port": "ops"}
    assert f'ops_listen = "0.0.0.0:{ports["ops"]}"' in rendered.toml
    assert f'\nlisten = "0.0.0.0:{ports["http"]}"' in rendered.toml


def test_a_pod_has_time_to_leave(rendered: Rendered) -> None:
    """The pause before the signal and the drain end before the pod is killed."""
    pause = rendered.container["lifecycle"]["preStop"]["sleep"]["seconds"]
    (drain,) = re.findall(r'^drain = "(\d+)s"$', rendered.toml, re.MULTILINE)
    assert rendered.pod["spec"]["terminationGracePeriodSeconds"] >= pause + int(drain) + 10


@pytest.mark.parametrize(("drain", "seconds"), [("1500ms", 2), ("25s", 25), ("2m", 120)])
def test_the_drain_is_read_in_every_unit(chart: Chart, drain: str, seconds: int) -> None:
    """A drain of minutes is not taken for one of seconds."""
    values = chart.values("smallest")
    values["config"]["gateway"]["drain"] = drain
    assert chart.render(values).pod["spec"]["terminationGracePeriodSeconds"] == 10 + seconds + 20


def test_services_lead_to_the_pods(rendered: Rendered) -> None:
    """The public one has only the public port; the one without a head has the operators'."""
    services = {one["metadata"]["name"]: one["spec"] for one in rendered.of("Service")}
    headless = services.pop(rendered.one("StatefulSet")["spec"]["serviceName"])
    (public,) = services.values()
    assert headless["clusterIP"] == "None"
    assert [p["targetPort"] for p in headless["ports"]] == ["ops"]
    assert [p["targetPort"] for p in public["ports"]] == ["http"]
    assert all(selects(spec["selector"], rendered.pod) for spec in (headless, public))


def test_the_policy_keeps_the_pods(rendered: Rendered) -> None:
    """It selects them, for both directions; the public port is the controller's, the operators' port the scrapers'."""
    spec = rendered.one("NetworkPolicy")["spec"]
    assert selects(spec["podSelector"]["matchLabels"], rendered.pod)
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert [rule["ports"][0]["port"] for rule in spec["ingress"]] == ["http", "ops"]
    assert all(rule.get("from") for rule in spec["ingress"])
    assert all(rule.get("to") and rule.get("ports") for rule in spec["egress"])


def ways(rendered: Rendered) -> dict[int, list[str]]:
    """Where the pods may go: peers by port."""
    found: dict[int, list[str]] = {}
    for rule in rendered.one("NetworkPolicy")["spec"]["egress"]:
        for port in rule["ports"]:
            found.setdefault(port["port"], []).extend(json.dumps(peer) for peer in rule["to"])
    return found


def test_the_ways_out_are_those_of_the_configuration(chart: Chart) -> None:
    """Each port is one that the configuration names; peers and a system's own networks narrow it."""
    everything = ways(chart.render(chart.values("everything")))
    assert everything.keys() == {53, 443, 8443, 5432, 6380, 587, 9443, 2525}
    assert any("10.40.0.0/24" in peer for peer in everything[443])
    assert not any("0.0.0.0/0" in peer for peers in everything.values() for peer in peers)
    assert ways(chart.render(chart.values("sentinel"))).keys() == {53, 443, 5433, 26379, 26380, 6380}
    smallest = ways(chart.render(chart.values("smallest")))
    assert smallest.keys() == {53, 443}
    assert all("169.254.0.0/16" in peer for peer in smallest[443] if "0.0.0.0/0" in peer)


def test_both_servers_of_a_database_are_ways_out(chart: Chart) -> None:
    """The standby's port as well: after a promotion it is the primary's."""
    values = chart.values("postgresql")
    both = "postgresql://lanyard@db1.example.nhs.uk,db2.example.nhs.uk:5433/lanyard?sslmode=verify-full"
    values["config"]["gateway"]["database_url"] = both
    assert {5432, 5433} <= ways(chart.render(values)).keys()


def test_where_a_system_gives_tokens_is_a_way_out(chart: Chart) -> None:
    """An address in a system's options has its port too."""
    values = chart.values("everything")
    values["config"]["systems"][0]["options"]["token_url"] = "https://tokens.example:9443/token"
    assert 9443 in ways(chart.render(values))


def test_ingress_has_every_host(rendered: Rendered) -> None:
    """The main host, everything below it, the API's, and those that systems have of their own; without a port."""
    hosts = {rule["host"] for rule in rendered.one("Ingress")["spec"]["rules"]}
    expected = {"records.example.nhs.uk", "*.records.example.nhs.uk", "api.records.example.nhs.uk"}
    assert hosts - {"pas.example.nhs.uk"} == expected
    assert ("pas.example.nhs.uk" in hosts) == ("pas.example.nhs.uk" in rendered.toml)


def test_names_fit(chart: Chart) -> None:
    """However long the release's name: a pod's name is a gateway's, and two long ones stay two."""
    pattern = next(m.pattern for m in Config.model_fields["gateway"].annotation.model_fields["name"].metadata)  # type: ignore[union-attr]  # a table
    seen = set()
    for name in ("a" * 53, "a" * 52 + "b", "a" * 24, "lanyard", "uk.nhs.example", "l-" * 20 + "l"):
        made = chart.render(chart.values("everything") | {"fullname": ""}, name=name)
        assert max(len(one["metadata"]["name"]) for one in made.objects) <= 63
        full = made.one("StatefulSet")["metadata"]["name"]
        assert re.fullmatch(pattern, f"{full}-31")
        seen.add(full)
    assert len(seen) == 6


def test_alerts_ask_for_numbers_that_there_are(chart: Chart) -> None:
    """An alert over a metric that nobody has would never come."""
    made = chart.render(chart.values("everything"))
    rules = made.one("PrometheusRule")["spec"]["groups"][0]["rules"]
    asked = {name for rule in rules for name in re.findall(r"\blanyard_\w+", rule["expr"])}
    metrics = Metrics()
    known = {family.name for family in metrics.registry.collect()}
    assert {name.removesuffix("_total") for name in asked} <= known
    assert asked
    assert all(rule["labels"]["severity"] and rule["annotations"]["summary"] for rule in rules)
    assert all('namespace="records"' in rule["expr"] for rule in rules)


def test_the_monitor_finds_the_operators_port(chart: Chart) -> None:
    """By the Service without a head, and by it alone."""
    made = chart.render(chart.values("everything"))
    spec = made.one("ServiceMonitor")["spec"]
    found = [
        s for s in made.of("Service") if spec["selector"]["matchLabels"].items() <= s["metadata"]["labels"].items()
    ]
    assert [s["metadata"]["name"] for s in found] == ["records-pods"]
    assert spec["endpoints"][0]["port"] == found[0]["spec"]["ports"][0]["name"]


def test_an_upgrade_renders_from_the_values_before(chart: Chart) -> None:
    """A wish more or less, a replica more: nothing that a StatefulSet cannot change is changed."""
    values = chart.values("postgresql")
    before = chart.render(values).one("StatefulSet")["spec"]
    values |= {"replicas": 5, "image": {"repository": "registry.example/lanyard", "tag": "0.2.0"}, "preStop": 20}
    values["config"]["devices"] = {"mode": "enforce"}
    after = chart.render(values).one("StatefulSet")["spec"]
    for fixed in ("selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates"):
        assert before[fixed] == after[fixed]
    assert (before["replicas"], after["replicas"]) == (2, 5)
    assert after["template"]["spec"]["containers"][0]["image"].endswith(":0.2.0")


def test_a_changed_configuration_replaces_pods_only_where_it_is_wished(chart: Chart) -> None:
    """Otherwise it arrives in the folder, and the gateway takes it while it runs."""

    def pods(restart: bool) -> list[dict[str, Any]]:
        made = []
        for mode in ("observe", "enforce"):
            values = chart.values("postgresql") | {"restartOnChange": restart}
            values["config"]["devices"] = {"mode": mode}
            made.append(chart.render(values).pod)
        return made

    assert pods(False)[0] == pods(False)[1]
    assert pods(True)[0] != pods(True)[1]


def test_the_notes_say_what_is_left_open(chart: Chart) -> None:
    """Whoever installs reads which ways out are not narrowed, and that one replica is one."""
    assert "networkPolicy.to.provider" in chart.render(chart.values("smallest")).notes
    assert "networkPolicy.to.redis" not in chart.render(chart.values("smallest")).notes
    assert "One replica" in chart.render(chart.values("smallest")).notes
    assert "Not narrowed" not in chart.render(chart.values("everything")).notes
