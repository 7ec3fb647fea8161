"""Numbers for operators, in Prometheus text form. Labels are systems, reasons and states: never people or patients."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# Name, words, kind, and samples: their name, labels and value. JSON-able, for the parent.
Families = list[tuple[str, str, str, list[tuple[str, list[tuple[str, str]], float]]]]


class Metrics:
    """One registry for one gateway, so that two in a test do not share counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.requests = Counter("lanyard_requests", "Brokered requests", ["system", "state", "outcome"], registry=r)
        self.seconds = Histogram(
            "lanyard_upstream_seconds",
            "From the request's arrival to the head of the answer",
            ["system"],
            registry=r,
            buckets=(0.005, 0.02, 0.1, 0.5, 2, 10, 30),
        )
        self.rejected = Counter(
            "lanyard_rejected_requests", "Refused before a session was looked at", ["reason"], registry=r
        )
        self.unguarded = Counter(
            "lanyard_unguarded_pages", "Pages that went out without the guard script", ["system", "why"], registry=r
        )
        self.sign_ons = Counter("lanyard_sign_ons", "Sign-ons", ["outcome"], registry=r)
        self.emergencies = Counter(
            "lanyard_emergency_sign_ons", "Shifts begun without the provider", ["why"], registry=r
        )
        self.log_ons = Counter(
            "lanyard_upstream_log_ons", "Log-ons made for clinicians", ["system", "outcome"], registry=r
        )
        self.alarms = Gauge("lanyard_alarm", "1 while a control is failing", ["control"], registry=r)
        self.journal_queue = Gauge("lanyard_journal_queue", "Events waiting to be made durable", registry=r)
        self.policy_hits = Gauge("lanyard_policy_memo_hits", "Decisions answered from the memo", registry=r)
        self.policy_misses = Gauge("lanyard_policy_memo_misses", "Decisions evaluated", registry=r)

    def left_alone(self, system: str) -> Callable[[str], None]:
        """Counts one system's pages that went out without the guard script, by why."""
        return lambda why: self.unguarded.labels(system, why).inc()

    def families(self) -> Families:
        return families(self.registry)


def families(registry: CollectorRegistry) -> Families:
    return [
        (m.name, m.documentation, m.type, [(s.name, sorted(s.labels.items()), s.value) for s in m.samples])
        for m in registry.collect()
    ]
