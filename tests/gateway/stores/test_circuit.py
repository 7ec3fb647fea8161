"""A server that fails several times in a row is left alone until somebody beside has seen it answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from gateway.stores.circuit import Circuit


def until(what: Callable[[], bool]) -> None:
    """Raises AssertionError where it does not come true."""
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end
        threading.Event().wait(0.01)


def test_it_is_tried_beside_whoever_asks_until_it_answers() -> None:
    """Five in a row and nobody asks any more; one good answer to a try and everybody asks again."""
    answers, tries, said = threading.Event(), threading.Semaphore(0), list[bool]()

    def probe() -> None:
        tries.release()
        if not answers.is_set():
            raise OSError("it does not answer")

    circuit = Circuit(probe, said.append, in_a_row=5, every=0.1)
    for _ in range(5):
        assert not circuit.open
        circuit.failed()
    assert circuit.open
    assert all(tries.acquire(timeout=20) for _ in range(3)), "it is tried again and again"
    assert circuit.open
    answers.set()
    until(lambda: not circuit.open)
    assert said == [True, False]
    circuit.close()


def test_one_that_only_paused_is_asked_again_at_once() -> None:
    """The first try comes long before the longest time between two (a pause of 250 ms cost everybody a whole second)."""
    circuit = Circuit(lambda: None, lambda _: None, in_a_row=1, every=60.0)
    circuit.failed()
    until(lambda: not circuit.open)
    circuit.close()


def test_an_answer_between_failures_keeps_it_closed() -> None:
    """Only those in a row count."""
    circuit = Circuit(lambda: None, lambda _: None, in_a_row=2)
    for _ in range(5):
        circuit.failed()
        circuit.answered()
    assert not circuit.open
    circuit.close()
