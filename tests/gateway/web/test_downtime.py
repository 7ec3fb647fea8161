"""The way round: on paper and on a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli import main

from .front import MAIN, Front, config_in


async def test_the_page_says_where_each_system_is_without_us(house: Front) -> None:
    """For somebody who is signed on; anybody else signs on first."""
    tab = house.tab()
    assert (await tab.get(f"{MAIN}/downtime")).status_code == 303
    await tab.sign_on()
    page = (await tab.get(f"{MAIN}/downtime")).text
    for words in ("Patient administration", "http://127.0.0.1:1", "ext. 4357", "Print this page"):
        assert words in page


def test_the_sheet_is_one_file_with_all_that_is_configured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Addresses, helpdesks, procedures; nothing that a printer or an offline browser would have to fetch."""
    config = config_in(tmp_path, "https://idp.example")
    text = config.read_text().replace(
        'helpdesk = "ext. 4357"',
        'helpdesk = "ext. 4357"\ndirect = "https://pas.internal"\nprocedure = "Paper & pen, <7>"',
    )
    config.write_text(text)
    assert main(["downtime", "--config", str(config)]) == 0
    sheet = capsys.readouterr().out
    for words in ("https://pas.internal", "ext. 4357", "Paper &amp; pen, &lt;7&gt;", "Records", "http://127.0.0.1:1"):
        assert words in sheet
    assert "<link" not in sheet
    assert "<script" not in sheet
    assert "src=" not in sheet
