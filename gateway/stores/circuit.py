"""A server that has failed several times in a row is not asked any more, until somebody beside has seen it answer.

So a dead or standing server costs a few people a moment each, and nobody after them; and nobody's request is the one that tries. It is
tried again at once, then ever more seldom: a server that only paused is not away for longer than it paused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from sso.errors import StoreUnavailable

_AT_FIRST = 0.05  # seconds until it is tried for the first time; twice as long each time


class Circuit:
    """Used from any thread. `probe` raises while the server does not answer, in a thread of its own; `say` hears True and False as it
    fails and answers."""

    def __init__(
        self, probe: Callable[[], None], say: Callable[[bool], None], *, in_a_row: int = 3, every: float = 0.5
    ) -> None:
        """`every`: seconds between two tries, at the longest."""
        self._probe = probe
        self._say = say
        self._in_a_row = in_a_row
        self._every = every
        self._lock = threading.Lock()
        self.failures = 0  # in a row
        self._closing = threading.Event()
        self.why = ""  # what is wrong, where a server that answers said it
        self._watcher: threading.Thread | None = None

    @property
    def open(self) -> bool:
        """Whether nobody is to ask."""
        return self._watcher is not None

    def failed(self) -> None:
        with self._lock:
            self.failures += 1
            if self.failures == 1:
                self._say(True)
            if self.failures >= self._in_a_row:
                self._watch()

    def answered(self) -> None:
        if not self.failures:  # unlocked: this is asked after every answer
            return
        with self._lock:
            if self.failures and self._watcher is None:
                self.failures = 0
                self._say(False)

    def trip(self) -> None:
        """It has never answered: nobody is to ask before it does."""
        with self._lock:
            self.failures = self._in_a_row
            self._say(True)
            self._watch()

    def _watch(self) -> None:
        if self._watcher is None and not self._closing.is_set():
            self._watcher = threading.Thread(target=self._look, name="store-probe", daemon=True)
            self._watcher.start()

    def _look(self) -> None:
        wait = _AT_FIRST
        while not self._closing.wait(min(wait, self._every)):
            wait *= 2
            try:
                self._probe()
            except Exception as error:  # whatever is wrong with it, it is asked again
                self.why = f"cannot be used: {error}" if isinstance(error, StoreUnavailable) else ""
                continue
            with self._lock:
                self.failures, self._watcher = 0, None
                self._say(False)
            return

    def close(self) -> None:
        self._closing.set()
        if self._watcher is not None:
            self._watcher.join(5)
