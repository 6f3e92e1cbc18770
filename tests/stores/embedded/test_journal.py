import errno
import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.ports import LOGS
from service.stores.embedded.journal import Journal, read_journal
from tests.telemetry_rows import logs


def bodies(path: Path) -> list[str]:
    return [row["body"] for row in read_journal(path, LOGS).to_pylist()]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "j")


def test_rows_are_there_as_soon_as_they_were_appended_in_the_order_in_which_they_came(journal: Journal) -> None:
    journal.append(logs({"body": "1"}, {"body": "2"}))
    assert bodies(journal.path) == ["1", "2"]
    journal.append(logs({"body": "3"}))
    assert bodies(journal.path) == ["1", "2", "3"]
    assert read_journal(journal.path, LOGS).schema.equals(LOGS)


def test_a_journal_without_rows_is_an_empty_table(journal: Journal) -> None:
    assert read_journal(journal.path, LOGS).equals(LOGS.empty_table())


@given(st.data())
def test_cut_off_anywhere_it_holds_the_frames_that_are_whole(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    journal = Journal(tmp_path_factory.mktemp("journal") / "j")
    sizes = [0]
    for body in "123":
        journal.append(logs({"body": body}))
        sizes.append(journal.size)
    cut = data.draw(st.integers(0, journal.size))
    os.truncate(journal.path, cut)
    assert len(bodies(journal.path)) == sum(size <= cut for size in sizes[1:])


@pytest.mark.parametrize("position", [0, 4, 40, -1])
def test_a_frame_that_is_not_what_was_written_is_left_out_with_all_behind_it(journal: Journal, position: int) -> None:
    journal.append(logs({"body": "1"}))
    first = journal.size
    journal.append(logs({"body": "2"}))
    content = bytearray(journal.path.read_bytes())
    content[first + position if position >= 0 else len(content) - 1] ^= 0xFF
    journal.path.write_bytes(bytes(content))
    assert bodies(journal.path) == ["1"]


def test_what_the_disk_refuses_half_way_leaves_nothing_behind(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append(logs({"body": "1"}))
    write, calls = os.write, list[int]()

    def full(file: int, content: bytes) -> int:
        calls.append(file)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "no space left on device")
        return write(file, bytes(content[:50]))

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        with pytest.raises(OSError, match="no space"):
            journal.append(logs({"body": "2"}))
    journal.append(logs({"body": "3"}))
    assert bodies(journal.path) == ["1", "3"]


def test_tables_of_many_chunks_are_one_frame(journal: Journal) -> None:
    journal.append(pa.concat_tables([logs({"body": "1"}), logs({"body": "2"})]))
    assert bodies(journal.path) == ["1", "2"]
