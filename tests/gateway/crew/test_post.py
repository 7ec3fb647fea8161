"""Posts: each worker of each crew has a writer of its own, and a share of what they have together."""

from __future__ import annotations

from gateway.crew.post import Post, writer_name


def test_one_worker_writes_under_the_gateway_s_name() -> None:
    """With one worker nothing is numbered."""
    assert Post().writer("ward") == "ward"


def test_no_two_workers_of_two_crews_share_a_writer() -> None:
    """While one crew takes over from the other, both may write."""
    names = [writer_name("ward", n, 3, second=second) for n in (1, 2, 3) for second in (False, True)]
    assert names == ["ward-1", "ward-1-b", "ward-2", "ward-2-b", "ward-3", "ward-3-b"]


def test_shares_are_no_more_than_the_whole() -> None:
    """Reserve and concurrency are of all workers together, and nobody is left without."""
    assert Post(2, 3).share(10) * 3 <= 10
    assert Post(2, 3).share(1) == 1
