"""Figures of several workers as one."""

from __future__ import annotations

from gateway.crew.together import Sums
from gateway.metrics import Metrics


def metrics(looks: int, *, alarm: int = 0, hits: int = 0) -> Metrics:
    made = Metrics()
    made.rejected.labels("malformed").inc(looks)
    made.seconds.labels("pas").observe(0.01)
    made.alarms.labels("journal").set(alarm)
    made.policy_hits.set(hits)
    return made


def test_counts_are_added_and_an_alarm_of_one_is_an_alarm() -> None:
    """Counters and histograms add up; of a state the worst is told; what is there in all is added too."""
    sums = Sums()
    for one in (metrics(2, hits=10), metrics(3, alarm=1, hits=5)):
        sums.add(one.families())
    text = sums.text().decode()
    assert 'lanyard_rejected_requests_total{reason="malformed"} 5.0' in text
    assert 'lanyard_upstream_seconds_bucket{le="0.02",system="pas"} 2.0' in text
    assert 'lanyard_upstream_seconds_count{system="pas"} 2.0' in text
    assert 'lanyard_alarm{control="journal"} 1.0' in text
    assert "lanyard_policy_memo_hits 15.0" in text


def test_what_a_worker_counted_outlives_it_and_its_alarm_does_not() -> None:
    """A counter that fell would be read as a restart; an alarm of nobody would never end."""
    gone = Sums()
    gone.add(metrics(2, alarm=1).families(), gone=True)
    gone.add(metrics(1).families(), gone=True)
    sums = Sums()
    sums.add(gone.families())
    sums.add(metrics(4).families())
    text = sums.text().decode()
    assert 'lanyard_rejected_requests_total{reason="malformed"} 7.0' in text
    assert 'lanyard_alarm{control="journal"} 0.0' in text
