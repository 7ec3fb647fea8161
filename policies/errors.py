"""What can be wrong with a policy bundle."""

from __future__ import annotations


class BundleError(Exception):
    """A bundle that may not be used. `problems` are lines `file:line: what, remedy`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
