"""What somebody does to the central journal, or to the segments behind its back, is named; and what of a lost machine never came."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from gateway.audit.segment import frame, segments
from gateway.audit.verify import verify
from gateway.central.connection import CentralUnavailable
from gateway.central.proof import missing
from gateway.central.verify import CentralReport, compare, verify_central

from ..audit.accesses import KEY, records
from .places import CentralPlace, wait_until
from .test_ship import fill, opened, signed_on

EVENTS = 700


@pytest.fixture
async def data_dir(place: CentralPlace, tmp_path: Path) -> Path:
    """Two epochs over several segments, sent whole."""
    await fill(tmp_path, EVENTS - 100)
    await fill(tmp_path, 100)
    with place.shipping(tmp_path):
        pass
    return tmp_path


def proven(place: CentralPlace, data_dir: Path) -> CentralReport:
    """As `lanyard audit verify` does it: there first, then here, then both."""
    report = verify_central(place.central, data_dir, KEY)
    compare(report, verify(data_dir, KEY), data_dir)
    return report


def bad(place: CentralPlace, data_dir: Path) -> str:
    report = proven(place, data_dir)
    assert not report.whole
    return report.writers[0].report.bad


async def test_a_whole_central_journal_is_proven_from_itself_alone(place: CentralPlace, data_dir: Path) -> None:
    """Every event, over segments and epochs, also where the machine that wrote it is gone."""
    report = proven(place, data_dir)
    assert (report.whole, report.events, report.missing) == (True, EVENTS, 0)
    elsewhere = proven(place, data_dir / "elsewhere")
    assert (elsewhere.whole, elsewhere.events, elsewhere.writers[0].here) == (True, EVENTS, False)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE event SET payload = replace(encode(payload, 'escape'), 'n-7', 'n-8')::bytea WHERE seq = 8",
            "sequence 8: ",
        ),
        ("DELETE FROM event WHERE seq = 300", "sequence 301: the record after sequence 299"),
        ("DELETE FROM frame WHERE epoch = 1 AND segment = 2", "sequence 284: the record after sequence 283"),
        ("DELETE FROM frame WHERE epoch = 1 AND place > 0", "the header does not continue"),
        ("DELETE FROM frame WHERE epoch = 2", "stands in no segment"),
        (
            "DELETE FROM event WHERE epoch = 2",
            "the closing record after sequence 600 was changed, or what stood before it was removed",
        ),
        ("UPDATE frame SET payload = 'x'", "this is none"),
    ],
)
async def test_whatever_an_administrator_changes_is_named(
    place: CentralPlace, data_dir: Path, statement: str, said: str
) -> None:
    """An event, its order, a header, a whole epoch: without the key nothing verifies that was not so."""
    place.do(statement)
    found = bad(place, data_dir)
    assert said in found, found


async def test_the_newest_rows_removed_are_missing(place: CentralPlace, data_dir: Path) -> None:
    """Together with the record that closed the segment: what had been there is known to have been."""
    place.do("DELETE FROM event WHERE seq > 690")
    place.do("DELETE FROM frame WHERE epoch = 2 AND place > 0")
    report = proven(place, data_dir)
    assert (report.whole, report.missing) == (False, 10)


async def test_the_newest_events_cut_off_here_are_found_there(place: CentralPlace, data_dir: Path) -> None:
    """Cut between two records and with no copy on this machine the segments alone could not tell."""
    path, last = [(p, r) for p, r in records(data_dir) if not r.closes][-3]
    path.write_bytes(path.read_bytes()[: last.offset])
    assert verify(data_dir, KEY).whole
    assert bad(place, data_dir) == (
        "holds events up to 700, and the segments here end at 697: the newest were cut off here"
    )


async def test_a_writer_s_folder_that_is_gone_is_told(place: CentralPlace, data_dir: Path) -> None:
    """The segments are the truth: where they were written and are no more, that is not whole."""
    await fill(data_dir, 1, name="gateway-2")
    shutil.rmtree(data_dir / "journal" / "gateway")
    assert bad(place, data_dir) == "its folder is gone from this machine, where it was written"


async def test_a_last_event_rewritten_by_a_holder_of_the_key_differs(place: CentralPlace, data_dir: Path) -> None:
    """Both chains verify, each by itself; together they do not."""
    found = records(data_dir)
    (path, closes), (_, last), (_, before) = found[-1], found[-2], found[-3]
    again, own = frame(KEY, before.mac, last.payload.replace(b"n-99", b"n-98"))
    close, _ = frame(KEY, own, closes.payload)
    path.write_bytes(path.read_bytes()[: last.offset] + again + close)
    assert verify(data_dir, KEY).whole
    assert bad(place, data_dir).startswith("its event 700 is another than the one in the segments here")


async def test_what_a_lost_machine_wrote_and_never_sent_is_counted(place: CentralPlace, tmp_path: Path) -> None:
    """It told how far it was while its events could not be taken; then it was gone, and which are missing is said."""
    there, here = tmp_path / "there", tmp_path / "here"
    journal = opened(there, "gw2-1")
    with place.shipping(there, "gw2", "gw2-1"):
        await journal.record(signed_on(0))
        await asyncio.to_thread(wait_until, lambda: len(place.places()) == 1)
        place.do("CREATE FUNCTION journal.no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END'")
        place.do("CREATE TRIGGER no BEFORE INSERT ON event FOR EACH STATEMENT EXECUTE FUNCTION journal.no()")
        for number in range(1, 38):
            await journal.record(signed_on(number))
        await asyncio.to_thread(wait_until, lambda: place.rows("SELECT seq FROM writer") == [(38,)])
        on_the_way = proven(place, here)
        assert (on_the_way.whole, on_the_way.writers[0].on_their_way) == (True, 37)
    await journal.close()
    shutil.rmtree(there)
    place.do("UPDATE writer SET told = now() - interval '1 minute', at = 50522")
    report = proven(place, here)
    assert (report.whole, report.missing, report.events) == (False, 37, 1)
    assert missing(report.writers[0], lambda at: f"<{at:.0f}>") == (
        "writer `gw2-1`: 37 events, 2 to 38, written until <50522>, never arrived"
    )


async def test_a_database_that_is_away_proves_nothing(own_place: CentralPlace, tmp_path: Path) -> None:
    """That is said, and is not taken for an empty journal."""
    own_place.server.kill()
    with pytest.raises(CentralUnavailable):
        verify_central(own_place.central, tmp_path, KEY)


async def test_a_running_gateway_is_whole_while_it_writes(place: CentralPlace, tmp_path: Path) -> None:
    """What it has just written is on its way, over segments and while they end."""
    journal = opened(tmp_path)
    with place.shipping(tmp_path):
        for number in range(900):
            await journal.record(signed_on(number))
            if number % 100 == 99:
                report = await asyncio.to_thread(proven, place, tmp_path)
                assert (report.whole, report.missing) == (True, 0), report
        assert len(segments(tmp_path / "journal" / "gateway")) > 2
        await journal.close()
