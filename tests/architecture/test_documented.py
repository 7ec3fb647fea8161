"""Nothing undocumented ships: every setting, event and reason has its place in the documentation."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from gateway.audit.event import EventType
from gateway.config import settings
from gateway.errors import FAULTS, UNEXPECTED
from policies.bundle import Bundle
from policies.rule import RESERVED
from sso.errors import DEVICE_REASONS, REASONS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def headings(page: str) -> set[str]:
    return set(re.findall(r"^#+ `([^`]+)`$", (DOCS / page).read_text("utf-8"), re.MULTILINE))


def rows(page: str) -> dict[str, str]:
    """The last cell of each table row by the code in its first cell."""
    found = re.findall(r"^\| `([^`]+)` \|(?:.*\|)? (.+) \|$", (DOCS / page).read_text("utf-8"), re.MULTILINE)
    return dict(found)


def journal_reasons() -> set[str]:
    """The codes that the source gives JournalUnavailable, and that the writer says while it fails."""
    found: set[str] = set()
    for path in (ROOT / "gateway").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("JournalUnavailable"):
                found |= {a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return found


@pytest.mark.parametrize("setting", list(settings()))
def test_every_setting_has_its_heading(setting: str) -> None:
    """An operator finds each key of the configuration."""
    assert setting in headings("configuration.md")


@pytest.mark.parametrize("kind", EventType)
def test_every_event_has_its_heading(kind: EventType) -> None:
    """An auditor finds what each event says."""
    assert kind.value in headings("journal.md")


def test_no_heading_documents_an_event_that_does_not_exist() -> None:
    """The page and the closed list of events are the same list."""
    assert {h for h in headings("journal.md") if "." in h} <= {kind.value for kind in EventType}


def test_every_refusal_of_the_policies_has_its_line() -> None:
    """A clinician who reads a code to the helpdesk gets an answer."""
    codes = RESERVED | {rule.reason for rule in Bundle.load().rules.values() if not rule.permits}
    assert codes - rows("reasons.md").keys() == set()


def test_every_fault_has_its_line_with_its_status() -> None:
    """The table of faults and its page say the same."""
    page = (DOCS / "reasons.md").read_text("utf-8")
    for fault in (*(fault for _, fault in FAULTS), UNEXPECTED):
        assert f"| `{fault.code}` | {fault.status} | " in page


def test_every_reason_of_the_journal_has_its_line() -> None:
    """An operator who is alarmed finds what it means."""
    assert journal_reasons(), "the scan finds nothing: it looks in the wrong place"
    assert journal_reasons() - rows("reasons.md").keys() == set()


def test_every_reason_of_a_refused_sign_on_has_its_line() -> None:
    """So does whoever could not sign on."""
    assert REASONS.keys() - rows("reasons.md").keys() == set()


def test_every_reason_of_a_refused_device_has_its_line() -> None:
    """So does whoever is told that their device is not the one that it was."""
    assert DEVICE_REASONS.keys() - rows("reasons.md").keys() == set()
