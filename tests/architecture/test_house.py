"""House rules, each with the reason it is one."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from .sources import PACKAGES, ROOT, sources, tree

OURS = sources(*PACKAGES)
TESTS = sources("tests")


def lines_where(paths: list[Path], found: Callable[[ast.AST], bool]) -> list[str]:
    """`file:line` of each node that `found` says yes to."""
    return [f"{path}:{_line(node)}" for path in paths for node in ast.walk(tree(ROOT / path)) if found(node)]


def _line(node: ast.AST) -> int:
    return getattr(node, "lineno", 0)


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_ours_and_not_the_folder_of_its_tests(package: str) -> None:
    """Tests run against the product: `tests/policies` is never imported as `policies`."""
    module = importlib.import_module(package)
    assert "/tests/" not in (module.__file__ or "/tests/")


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_belongs_to_our_distribution_alone(package: str) -> None:
    """Generic names can be owned by somebody else's distribution: then one of the two would win by chance."""
    assert set(packages_distributions()[package]) == {"lanyard-gateway"}


def test_each_module_says_what_it_is_for() -> None:
    """A module's docstring says what it turns into what."""
    assert [str(path) for path in [*OURS, *TESTS] if _says_nothing(path)] == []


def _says_nothing(path: Path) -> bool:
    module = tree(ROOT / path)
    return bool(module.body) and not ast.get_docstring(module)


def test_each_test_says_what_it_shows() -> None:
    """A test's docstring is one sentence in the domain's words."""
    suites = [*TESTS, *(path for path in OURS if path.name == "testing.py")]
    assert lines_where(suites, silent) == []


def silent(node: ast.AST) -> bool:
    is_test = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    return is_test and not ast.get_docstring(node)


def test_no_module_is_a_drawer() -> None:
    """A type lives in the package that owns the word; drawers called `utils` own no word."""
    drawers = {"utils", "util", "common", "helpers", "helper", "types", "core", "misc", "manager", "handler", "service"}
    assert [str(path) for path in OURS if path.stem in drawers or path.parent.name in drawers] == []


# Why a file may be longer than 400 lines.
LONG = {
    "gateway/edge/server.py": "one connection's states, of which each bounds the others",
    "gateway/sessions.py": "one cache of seats, and all that may be done to one: apart, each would have to know its inside",
    "gateway/config.py": "one table of settings and its messages, which are read together",
}


def test_no_file_grows_long_without_a_reason() -> None:
    """A long file has usually become an application object; where it has not, the reason stands here."""
    long = {str(path) for path in OURS if len((ROOT / path).read_text("utf-8").splitlines()) > 400}
    assert long - LONG.keys() == set()


# `request.url` of what we send, not of what came in.
SENT_BY_US = {"gateway/proxy/client.py"}


def test_nothing_is_decided_on_request_url() -> None:
    """Starlette puts it together from Host and path, and a Host has changed the path before (CVE-2026-48710)."""

    judging = [p for p in OURS if p.parts[0] in ("gateway", "connectors") and "web" not in p.parts]
    assert lines_where([p for p in judging if str(p) not in SENT_BY_US], reads_url) == []


def reads_url(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "url"
        and isinstance(node.value, ast.Name)
        and node.value.id in ("request", "inbound", "req")
    )


def test_every_task_is_held_by_somebody() -> None:
    """The event loop holds a task weakly: one that nobody keeps is collected half done, and its error is lost."""

    assert lines_where([*OURS, *TESTS], let_go) == []


def let_go(node: ast.AST) -> bool:
    call = node.value if isinstance(node, ast.Expr) else None
    return (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name | ast.Attribute)
        and (call.func.id if isinstance(call.func, ast.Name) else call.func.attr) in ("create_task", "ensure_future")
        and not _of_a_group(call.func)
    )


def _of_a_group(function: ast.expr) -> bool:
    """`asyncio.TaskGroup` holds what it creates."""
    return isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and "group" in function.value.id


_EXEMPT = re.compile(r"#\s*(?:noqa|nosec|type: ignore)(?:: ?[A-Z0-9, ]+|\[[a-z-, ]+\])?(?P<reason>.*)$")


def test_what_is_exempted_says_why() -> None:
    """An exemption without a reason, beside it or on the line above, is one that nobody dares to remove."""
    bare = []
    for path in [*OURS, *TESTS]:
        lines = (ROOT / path).read_text("utf-8").splitlines()
        for number, (above, line) in enumerate(zip(["", *lines], lines, strict=False), 1):
            exempt = _EXEMPT.search(line)
            reason = exempt and (
                exempt["reason"].strip(" -#") or "#" in line[: exempt.start()] or above.strip()[:1] == "#"
            )
            if exempt and not reason:
                bare.append(f"{path}:{number}: {line.strip()}")
    assert bare == []


@pytest.mark.parametrize("folder", sorted({path.parent for path in TESTS}), ids=str)
def test_each_folder_of_tests_is_a_package(folder: Path) -> None:
    """Without its `__init__.py` a folder of tests takes the name of what it tests."""
    assert (ROOT / folder / "__init__.py").exists()


BROKEN = {
    "def test_it(): assert True": silent,
    "path = request.url.path": reads_url,
    "async def f(): asyncio.create_task(g())": let_go,
    "loop.create_task(g())": let_go,
    "asyncio.ensure_future(g())": let_go,
}


@pytest.mark.parametrize("code", BROKEN)
def test_a_house_rule_sees_what_breaks_it(code: str) -> None:
    """The canary: each rule turns red on the code that it is there to stop."""
    assert any(BROKEN[code](node) for node in ast.walk(ast.parse(code)))


def test_a_house_rule_lets_good_code_be() -> None:
    """A task that is kept, or that a group keeps, is held."""
    kept = "self._task = asyncio.create_task(g())\nasync def f():\n    task_group.create_task(g())"
    assert not any(let_go(node) for node in ast.walk(ast.parse(kept)))
    assert _EXEMPT.search("x = 1  # noqa: S104 - compared only")["reason"].strip(" -") == "compared only"
    assert _EXEMPT.search("x = 1  # type: ignore[arg-type]")["reason"] == ""
