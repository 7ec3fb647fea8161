"""`lanyard policy`: what rules say, to whom they were written for."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from policies.bundle import Bundle
from policies.examples import check
from policies.explain import explain

from . import config as configuration
from .auditing import asked_in
from .errors import ConfigError


def policy_check(given: argparse.Namespace) -> int:
    """Whether a bundle is well formed and every example in it holds."""
    failures = check(given.path)
    for failure in failures:
        print(f"lanyard: {failure}", file=sys.stderr)
    if not failures:
        bundle = Bundle.load(given.path)
        print(
            f"{given.path or 'the bundled policy'}: {len(bundle.rules)} rules, version {bundle.version}, every example holds"
        )
    return 1 if failures else 0


def policy_explain(given: argparse.Namespace) -> int:
    """Why a question, or a request that was made, is permitted or refused."""
    path = given.policies
    if given.request:
        config = configuration.load(given.config)
        path = path or config.policies.path
        question = asked_in(config, given.request)
        if not question:
            print(f"no access with the request `{given.request}` is in the journal")
            return 1
    else:
        question = _text_of(given.file)
    try:
        print(explain(Bundle.load(path), question))
    except ValueError as error:
        raise ConfigError([f"{given.file or 'standard input'}: {error}"]) from None
    return 0


def _text_of(file: str | None) -> str:
    try:
        return Path(file).read_text("utf-8") if file else sys.stdin.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{file or 'standard input'}: cannot be read: {error}"]) from None
