"""What a bundle may hold, and that every problem is told with its file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.bundle import BUNDLED, SCHEMA, Bundle
from policies.errors import BundleError

GOOD = """// a comment; with a semicolon
@id("nurse-reads")
permit (principal in Role::"nurse", action == Action::"read", resource);
"""


def bundle(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.cedar").write_text(text, encoding="utf-8")
    return folder


def problems(folder: Path) -> list[str]:
    with pytest.raises(BundleError) as caught:
        Bundle.load(folder)
    return caught.value.problems


def test_the_bundled_policies_load() -> None:
    """A new installation starts with policies that can be used."""
    loaded = Bundle.load()
    assert loaded.path == BUNDLED
    assert "nurse-clinical" in loaded.rules
    assert loaded.rules["locked"].place.startswith("20-records.cedar:")


def test_rules_keep_the_order_of_files_and_lines(tmp_path: Path) -> None:
    """The author's order decides which of several refusals is told first."""
    second = GOOD.replace("nurse-reads", "b-1") + GOOD.replace("nurse-reads", "a-2")
    loaded = Bundle.load(bundle(tmp_path, z=GOOD, a=second))
    assert list(loaded.rules) == ["b-1", "a-2", "nurse-reads"]
    assert loaded.rules["a-2"].place == "a.cedar:5"


def test_a_semicolon_in_a_string_or_a_comment_ends_no_statement(tmp_path: Path) -> None:
    """Statements are told apart as Cedar tells them apart."""
    text = """@id("one") // note; "quoted
forbid (principal, action, resource)
when { resource.kind == "a;\\"b//" };
""".replace("forbid", '@reason("odd") @text("odd; very")\nforbid')
    loaded = Bundle.load(bundle(tmp_path, a=text + GOOD))
    assert list(loaded.rules) == ["one", "nurse-reads"]
    assert loaded.rules["one"].sentence == "odd; very"


FORBID = '@id("f") @reason("why") @text("because")\nforbid (principal, action, resource);'

BAD = {
    "no name": ("permit (principal, action, resource);", "has no name"),
    "an empty name": ("@id permit (principal, action, resource);", "`@id` is empty"),
    "an odd name": ('@id("A b") permit (principal, action, resource);', "`A b` is no name for a rule"),
    "a syntax error": ('@id("a") permit (principal, action, resourse);', "cannot be read as Cedar"),
    "a missing end": ('@id("a") permit (principal, action, resource)', "cannot be read as Cedar"),
    "an unclosed string": ('@id("a) permit (principal, action, resource);', "cannot be read as Cedar"),
    "two of one annotation": ('@id("a") @id("b") permit (principal, action, resource);', "duplicate annotation"),
    "a template": ('@id("a") permit (principal == ?principal, action, resource);', "is a template"),
    "an unknown annotation": (
        '@id("a") @resaon("x") permit (principal, action, resource);',
        "`@resaon` is no annotation",
    ),
    "an unknown action": ('@id("a") permit (principal, action == Action::"raed", resource);', 'Action::"raed"'),
    "an unknown entity type": ('@id("a") permit (principal in Roll::"nurse", action, resource);', "`Roll`"),
    "an unknown attribute": ('@id("a") permit (principal, action, resource) when { resource.knd == "x" };', "`knd`"),
    "a fact's misspelt value": (
        '@id("a") permit (principal, action, resource) when { context.restricted == Known::"yess" };',
        'Known::"yess"',
    ),
    "a type mixed up": (
        '@id("a") permit (principal, action, resource) when { context.restricted == "yes" };',
        "not compatible",
    ),
    "one person": ('@id("a") permit (principal == User::"mary", action, resource);', "is one person"),
    "one thing": ('@id("a") permit (principal, action, resource == Resource::"x");', "is one thing"),
    "a forbid without a reason": ('@id("a") @text("t") forbid (principal, action, resource);', "add `@reason`"),
    "a forbid without words": ('@id("a") @reason("r") forbid (principal, action, resource);', "add `@text`"),
    "an odd reason": (FORBID.replace("why", "Why not"), "`Why not` is no reason code"),
    "the engine's own reason": (FORBID.replace("why", "policy-error"), "a reason of the engine's own"),
    "an unknown remedy": ('@remedy("prayer") ' + FORBID, "`prayer` is no remedy"),
    "an unknown mode": ('@mode("sometimes") ' + FORBID, "`sometimes` is no mode"),
    "an obligation of a forbid": ('@obligation("read_only") ' + FORBID, "belongs to a permit"),
    "an odd obligation": (
        '@id("a") @obligation("no export") permit (principal, action, resource);',
        "is no obligation",
    ),
    "a remedy of a permit": ('@id("a") @remedy("unlock") permit (principal, action, resource);', "leave it out"),
    "a permit that rules sometimes": (
        '@id("a") @mode("posture") permit (principal, action, resource);',
        "leave it out",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_statement_that_may_not_be_used_is_told_with_file_and_line(what: str, tmp_path: Path) -> None:
    """Whoever wrote the rule finds it at once, and the good rule before it does not hide it."""
    text, said = BAD[what]
    (problem, *more) = problems(bundle(tmp_path, ward=GOOD + "\n" + text))
    assert problem.startswith("ward.cedar:5: "), problem
    assert said in " ".join([problem, *more])


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """Nobody mends one slip only to be shown the next."""
    found = problems(bundle(tmp_path, a=BAD["no name"][0] + "\n" + BAD["an unknown attribute"][0], b="permit ("))
    assert [problem.partition(": ")[0] for problem in found] == ["a.cedar:1", "a.cedar:2", "b.cedar:1"]


def test_two_rules_of_one_name_are_told_with_both_places(tmp_path: Path) -> None:
    """A name in the journal means one rule."""
    (problem,) = problems(bundle(tmp_path, a=GOOD, b=GOOD))
    assert problem == "b.cedar:2: the name `nurse-reads` is taken by a.cedar:2: rename one"


def test_a_folder_that_is_no_bundle_is_told(tmp_path: Path) -> None:
    """A slip in `policies.path` never means that there are no rules."""
    assert "is no folder" in problems(tmp_path / "gone")[0]
    assert "holds no `*.cedar` file" in problems(tmp_path)[0]


def test_a_rule_below_the_folder_is_not_overlooked(tmp_path: Path) -> None:
    """A forbid that somebody filed one folder too deep does not silently stop working."""
    (tmp_path / "more").mkdir()
    bundle(tmp_path / "more", forgotten=FORBID)
    assert any("forgotten.cedar: is in a folder below" in p for p in problems(bundle(tmp_path, a=GOOD)))


def test_what_is_not_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    """A file saved in another charset is not guessed at."""
    (tmp_path / "a.cedar").write_bytes(GOOD.encode() + b"// caf\xe9\n")
    assert problems(tmp_path) == ["a.cedar:4: is not UTF-8: save it as UTF-8"]


def test_a_schema_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Without a schema no rule can be checked."""
    (tmp_path / SCHEMA).write_text("entity User = {", encoding="utf-8")
    assert problems(bundle(tmp_path, a=GOOD))[0].startswith(f"{SCHEMA}: cannot be read as a Cedar schema")


def test_a_schema_that_does_not_take_the_questions_is_told(tmp_path: Path) -> None:
    """A schema that lacks what the gateway supplies would make every verdict a policy error: better told at start."""
    schema = (BUNDLED / SCHEMA).read_text(encoding="utf-8")
    (tmp_path / SCHEMA).write_text(schema.replace("  organisation: String,\n", ""), encoding="utf-8")
    assert "does not take the question" in problems(bundle(tmp_path, a=GOOD))[0]


def test_the_version_changes_with_every_byte(tmp_path: Path) -> None:
    """A verdict in the journal names exactly the text that gave it."""
    before = Bundle.load(bundle(tmp_path, a=GOOD)).version
    assert Bundle.load(tmp_path).version == before
    assert Bundle.load(bundle(tmp_path, a=GOOD + "\n")).version != before
    (tmp_path / "a.cedar").rename(tmp_path / "b.cedar")
    bundle(tmp_path, b=GOOD)
    assert Bundle.load(tmp_path).version != before


def test_a_bundle_that_may_not_be_used_leaves_the_old_one_as_it_was(tmp_path: Path) -> None:
    """HTTP-274: whoever reloads a bundle with a slip in it gets an error and keeps the rules that ruled."""
    old = Bundle.load(bundle(tmp_path, a=GOOD))
    bundle(tmp_path, a="permit (")
    assert problems(tmp_path)
    assert list(old.rules) == ["nurse-reads"]
    assert len(old.policies()) == 1
