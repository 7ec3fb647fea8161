"""Commands, each with a function that is imported when it is run: whoever asks for one does not wait for all the others."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module

Parser = argparse.ArgumentParser
Run = Callable[[argparse.Namespace], int]


class CommandLine:
    def __init__(self, name: str, does: str) -> None:
        self.parser = Parser(prog=name, description=does)
        self._groups = {"": self.parser.add_subparsers(required=True, metavar="COMMAND")}

    def group(self, name: str, does: str) -> None:
        """A word that commands begin with."""
        made = self._groups[""].add_parser(name, help=does, description=does)
        self._groups[name] = made.add_subparsers(required=True, metavar="COMMAND")

    def command(self, path: str, run: str, does: str, example: str, *, config: bool = True) -> Parser:
        """`run`: `module:function`, by the module's name within `gateway`. Gives its parser, for its arguments."""
        group, _, name = path.rpartition(" ")
        made = self._groups[group].add_parser(
            name,
            help=does,
            description=does,
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(run=Later(run), config="")
        if config:
            made.add_argument(
                "--config", default="lanyard.toml", metavar="FILE", help="the configuration (default: lanyard.toml)"
            )
        return made


def texts(parser: Parser, *options: tuple[str, str]) -> None:
    """Options that take a text, empty where they are left out: each with what it is."""
    for name, does in options:
        parser.add_argument(f"--{name}", default="", help=does)


class Later:
    """`module:function`, imported when it is called."""

    def __init__(self, run: str) -> None:
        self._module, _, self._function = run.partition(":")

    def __call__(self, given: argparse.Namespace) -> int:
        return self.function()(given)

    def function(self) -> Run:
        found: Run = getattr(import_module(f"gateway.{self._module}"), self._function)
        return found
