"""What every connector that opens a system must hold to, as tests that its own suite inherits; nothing here imports pytest."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlsplit

from policies.model import Principal

from .base import Launch, Launches
from .errors import NotBrokered
from .samples import ANOTHER, WHO
from .self_description import SaysWhatItIs

_NUMBER = "9990000018"  # of the range for tests
_ODD = ('"><script>alert(1)</script>', "a\r\nb", "a b/../?#&=%", "\u0142\U0001f642", "javascript:alert(1)")


class LaunchContract(SaysWhatItIs):
    """For a connector whose manifest says `linked` or `launch only`. Give `connector()`, and say what it is as in ConnectorContract."""

    def test_it_is_opened_in_one_way(self) -> None:
        """By an address or by a file, for anybody with a name, at a patient only where it says that it can be."""
        connector = self._connector()
        for who in (WHO, ANOTHER):
            for number in ("", _NUMBER):
                found = connector.launch(who, number)
                self._sound(connector, found)
                if found.at_patient:
                    assert number, "it opens at a patient whom nobody asked for"
                    assert connector.finds_patients(), "it opens at a patient and says that it cannot"
                    assert _NUMBER in found.address + found.file.decode(), "it does not say the number"
        assert connector.launch(WHO, _NUMBER).at_patient is connector.finds_patients(), "`finds_patients` is not so"

    def test_nobody_s_name_leads_elsewhere(self) -> None:
        """Whatever somebody is called, the link stays a link to the same place, and the file has no more lines."""
        connector = self._connector()
        usual = connector.launch(WHO, _NUMBER)
        for odd in _ODD:
            who = replace(WHO, subject=odd, name=odd)
            found = connector.launch(who, _NUMBER)
            self._sound(connector, found)
            here, there = urlsplit(usual.address), urlsplit(found.address)
            assert (here.scheme, here.netloc) == (there.scheme, there.netloc), f"{odd!r} leads to another place"
            assert found.file.count(b"\n") == usual.file.count(b"\n"), f"{odd!r} adds a line to the file"

    def test_who_has_no_name_opens_nothing_in_it(self) -> None:
        """An empty account would be somebody else's: it is refused wherever the account is said at all."""
        connector = self._connector()
        nobody: Principal = replace(WHO, subject="")
        if connector.launch(WHO) != connector.launch(replace(WHO, subject="other")):
            try:
                connector.launch(nobody)
            except NotBrokered:
                return
            raise AssertionError("somebody without an account is opened for")

    def test_no_link_is_printed(self) -> None:
        """It may name a patient."""
        found = self._connector().launch(WHO, _NUMBER)
        assert _NUMBER not in f"{found!r} {found}", "what is printed names a patient"

    def _connector(self) -> Launches:
        connector = self.connector()
        assert isinstance(connector, Launches), "it opens nothing: give `finds_patients`, `leads_to` and `launch`"
        return connector

    def _sound(self, connector: Launches, found: Launch) -> None:
        assert bool(found.address) != bool(found.file), "it is opened by an address or by a file"
        if found.address:
            assert re.fullmatch(r"[!#$%&'()*+,./0-9:;=?@A-Z_a-z~\[\]-]+", found.address), (
                "the address has odd characters"
            )
            scheme, _, _ = found.address.partition(":")
            assert scheme.lower() not in ("javascript", "data", "vbscript", "file", "blob"), "a browser would run it"
            places = connector.leads_to()
            assert any(found.address.startswith(place) for place in places), "`leads_to` does not name its beginning"
        else:
            assert found.file_name, "the file has no name"
            assert re.fullmatch(r"[\w.+-]+/[\w.+-]+", found.media_type), "the file has no media type"
