"""The launch connector opens a program by a link or a file, and holds to the contract of what is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.base import SystemConfig
from connectors.launch import LaunchConnector
from connectors.launching import LaunchContract
from connectors.samples import WHO

LINK: dict[str, Any] = {
    "address": "radviewer://open?user={account}",
    "at_patient": "radviewer://patient/{nhs_number}?user={account}",
}


def connector(**options: Any) -> LaunchConnector:
    return LaunchConnector(SystemConfig("viewer", "Viewer", "", options, 0))


def ica(folder: Path, text: str = "[WFClient]\r\nUserName={account}\r\nLongCommandLine={nhs_number}\r\n") -> str:
    (folder / "pacs.ica").write_bytes(text.encode())
    return str(folder / "pacs.ica")


class TestLink(LaunchContract):
    package = "connectors.launch"

    def connector(self) -> Any:
        return connector(**LINK)


class TestFile(LaunchContract):
    package = "connectors.launch"
    folder: Path

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def connector(self) -> Any:
        return connector(file=ica(self.folder))


def test_a_link_has_who_and_which_patient_in_it() -> None:
    """Each value is encoded for where it stands; without a number it opens as it is."""
    made = connector(**LINK)
    assert made.launch(WHO).address == "radviewer://open?user=lee"
    found = made.launch(WHO, "9990000018")
    assert (found.address, found.at_patient) == ("radviewer://patient/9990000018?user=lee", True)
    assert made.leads_to() == {"radviewer:"}


def test_a_link_that_cannot_say_a_patient_is_opened_without() -> None:
    """And says so: the number is to be copied."""
    found = connector(address="https://citrix.test/launch/pacs?u={subject}").launch(WHO, "9990000018")
    assert (found.address, found.at_patient) == ("https://citrix.test/launch/pacs?u=lee%40trust.test", False)


def test_a_file_is_filled_and_named(tmp_path: Path) -> None:
    """As the program knows it: an ICA file by its own media type."""
    found = connector(file=ica(tmp_path)).launch(WHO, "9990000018")
    assert found.file == b"[WFClient]\r\nUserName=lee\r\nLongCommandLine=9990000018\r\n"
    assert (found.file_name, found.media_type) == ("pacs.ica", "application/x-ica")
    other = connector(file=ica(tmp_path), file_name="a.rdp", media_type="application/x-rdp").launch(WHO)
    assert (other.file_name, other.media_type) == ("a.rdp", "application/x-rdp")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "either `address` or `file`"),
        ({"address": "javascript:alert(1)"}, "no link that may be opened"),
        ({"address": "JavaScript:alert(1)"}, "no link that may be opened"),
        ({"address": "data:text/html,x"}, "no link that may be opened"),
        ({"address": "file:///etc/passwd"}, "no link that may be opened"),
        ({"address": "pacs"}, "no link that may be opened"),
        ({"address": "https://{account}.test/"}, "where it leads is fixed"),
        ({"address": "https:///x"}, "where it leads is fixed"),
        ({"address": "rad://a b"}, "a character that no link has"),
        ({"address": "rad://a?{nhs_number}"}, "`{nhs_number}` is none of"),
        ({"address": "rad://a", "at_patient": "rad://b"}, "no `{nhs_number}` in it"),
        ({"address": "rad://a", "file": "FILE"}, "either `address` or `file`"),
        ({"file": "/nowhere"}, "cannot be read"),
        ({"file": "FILE", "file_name": 'a".ica'}, "not every device takes"),
    ],
)
def test_what_cannot_be_opened_is_refused(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    """At the start, with what to correct."""
    given = {name: ica(tmp_path) if value == "FILE" else value for name, value in options.items()}
    with pytest.raises(ValueError, match=says):
        connector(**given)


def test_a_file_with_a_place_that_nobody_fills_is_refused(tmp_path: Path) -> None:
    """A GUID in braces is none."""
    with pytest.raises(ValueError, match=r"`\{ward\}` is none of"):
        connector(file=ica(tmp_path, "[x]\na={ward}\n"))
    assert connector(file=ica(tmp_path, "[x]\na={0A1B-2C}\n")).finds_patients() is False
