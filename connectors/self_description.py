"""The part of the contract about what a connector says of itself: its manifest, its options, its quality list, what it skips."""

from __future__ import annotations

import re
import tomllib
from importlib import resources

from .rehearsal import Rehearsal

QUALITY_RULES = frozenset(
    {"describes_without_network", "keeps_target_bytes", "never_retries_a_credential", "credential_stays_at_its_origin",
     "tells_a_changed_page", "notices_log_off", "real_counterpart", "health", "documented"}
)  # fmt: skip


class SaysWhatItIs(Rehearsal):
    def test_the_manifest_says_what_it_is(self) -> None:
        """Name, title and description; mounts that there are; each option with words for people."""
        manifest = self._manifest()
        assert re.fullmatch(r"[a-z][a-z0-9-]*", manifest.name), f"`{manifest.name}` is no name"
        assert manifest.title, "the manifest has no title"
        assert manifest.description, "the manifest has no description"
        assert manifest.mounts, "the manifest names no mounts"
        assert manifest.mounts <= {"host", "path"}, f"there are no mounts {sorted(manifest.mounts - {'host', 'path'})}"
        assert not any(name.lower().startswith("__host-lanyard") for name in manifest.browser_cookies), (
            "that cookie is ours"
        )
        for option in manifest.options:
            assert len(option.doc) > 10, f"`options.{option.name}` says nothing: give it a `doc`"

    def test_wrong_options_are_told(self) -> None:
        """The sample's are right; what is unknown, missing or of another type is told by its name, without its value."""
        manifest, right = self._manifest(), self.connector().config.options
        assert manifest.problems(right) == [], "the options of `connector()` are not those of the manifest"
        assert any("no_such_option" in p for p in manifest.problems({**right, "no_such_option": 1})), (
            "an unknown option passes"
        )
        for option in manifest.options:
            without = {name: value for name, value in right.items() if name != option.name}
            assert bool(manifest.problems(without)) is option.required, f"`options.{option.name}`: required is not so"
            wrong = manifest.problems({**without, option.name: 1.5})
            assert any(option.name in problem for problem in wrong), f"`options.{option.name}` may be anything"

    def test_every_quality_rule_is_answered(self) -> None:
        """Done, with the test that shows it; or exempt or still to do, with the reason."""
        text = resources.files(self.package).joinpath("quality.toml").read_text("utf-8")
        rules: dict[str, dict[str, str]] = tomllib.loads(text)["rules"]
        assert rules.keys() == QUALITY_RULES, f"missing or unknown: {', '.join(sorted(rules.keys() ^ QUALITY_RULES))}"
        for rule, said in rules.items():
            if said["status"] == "done":
                assert (self.root / said["test"]).is_file(), f"`{rule}` is done: there is no file `{said['test']}`"
            else:
                assert said["status"] in ("exempt", "todo"), f"`{rule}` is done, exempt or todo"
                assert len(said.get("reason", "")) > 10, f"`{rule}` is {said['status']} without a reason"

    def test_every_skip_has_a_reason(self) -> None:
        """What is not checked is a check of this contract, and says why."""
        for name, reason in self.skips.items():
            assert hasattr(type(self), name), f"`{name}` is no check"
            assert name != "test_every_skip_has_a_reason", "this one is never skipped"
            assert len(reason) > 20, f"`{name}` is skipped without a reason"
