"""The directory as a whole: what is written, by one, and what is read, by anybody, at the same time."""

import asyncio
import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.domain.window import Window
from service.errors import BackendError, StoreError
from service.ports import SPANS
from service.stores.embedded import segments
from service.stores.embedded.journal import Journal
from service.stores.embedded.query import EmbeddedTelemetry
from service.stores.embedded.retention import Retention
from service.stores.embedded.segments import shelf
from service.stores.embedded.writer import Writer
from tests.telemetry_rows import at, logs, spans
from tests.waiting import LIMIT_S

HOUR = Window(at(-60), at(60))
AT_ONCE = 0.0
NEVER = 1e9


@pytest.fixture
def open_writer(tmp_path: Path) -> Iterator[Callable[..., Writer]]:
    opened: list[Writer] = []

    def make(**told: Any) -> Writer:
        writer = Writer(tmp_path, clock=lambda: at(15), **told)
        opened.append(writer)
        return writer

    yield make
    for writer in opened:
        writer.close()


def write(writer: Writer, *ids: str, minute: float = 0) -> None:
    writer.append("spans", spans(*({"span_id": id_, "start": at(minute)} for id_ in ids))).result(LIMIT_S)


def ids(directory: Path, window: Window = HOUR, most_rows: int = 1000) -> list[str]:
    store = EmbeddedTelemetry(directory, most_rows)
    return sorted(row["span_id"] for row in asyncio.run(store.spans(window)).select(["span_id"]).to_pylist())


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "spans").iterdir())


def test_rows_can_be_read_as_soon_as_they_were_acknowledged(open_writer: Callable[..., Writer], tmp_path: Path) -> None:
    writer = open_writer(seal_after_s=NEVER)
    write(writer, "1")
    assert ids(tmp_path) == ["1"]
    write(writer, "2")
    assert ids(tmp_path) == ["1", "2"]


def test_sealed_rows_are_the_same_rows(open_writer: Callable[..., Writer], tmp_path: Path) -> None:
    writer = open_writer(seal_after_s=AT_ONCE)
    write(writer, "1", "2", minute=3)
    write(writer, "3", minute=-3)
    writer.tidy().result(LIMIT_S)
    assert all(name.endswith(".parquet") for name in files(tmp_path))
    assert ids(tmp_path) == ["1", "2", "3"]
    assert ids(tmp_path, Window(at(0), at(5))) == ["1", "2"]


def test_a_segment_is_named_after_its_time_and_ordered_by_it(
    open_writer: Callable[..., Writer], tmp_path: Path
) -> None:
    writer = open_writer(seal_after_s=NEVER)
    write(writer, "late", minute=5)
    write(writer, "early", minute=1)
    writer.close()
    (segment,) = shelf(tmp_path / "spans").segments
    assert (segment.first_us, segment.last_us, segment.rows) == (
        int(at(1).timestamp() * 1e6),
        int(at(5).timestamp() * 1e6),
        2,
    )
    table: Any = pq.read_table(segment.path)  # pyright: ignore[reportUnknownMemberType]
    assert table.column("span_id").to_pylist() == ["early", "late"]


def test_tables_do_not_mix(open_writer: Callable[..., Writer], tmp_path: Path) -> None:
    writer = open_writer()
    writer.append("logs", logs({"body": "x"})).result(LIMIT_S)
    write(writer, "1")
    store = EmbeddedTelemetry(tmp_path)
    assert asyncio.run(store.logs(HOUR)).column("body").to_pylist() == ["x"]
    assert asyncio.run(store.metrics(HOUR)).num_rows == 0


def test_a_directory_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert ids(tmp_path / "nowhere") == []
    assert "0 segments" in asyncio.run(EmbeddedTelemetry(tmp_path / "nowhere").found())


def test_two_cannot_write_in_one_place(open_writer: Callable[..., Writer], tmp_path: Path) -> None:
    open_writer()
    with pytest.raises(StoreError, match="another process writes there"):
        open_writer()


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        Writer(tmp_path / "file")


KILLED = """
import os, sys
from pathlib import Path
from service.stores.embedded.writer import Writer
from tests.telemetry_rows import at, spans
writer = Writer(Path(sys.argv[1]), clock=lambda: at(15), seal_after_s=1e9)
for number in range(5):
    writer.append("spans", spans({"span_id": str(number)})).result()
os.kill(os.getpid(), 9)
"""


def test_what_was_acknowledged_survives_a_kill_and_is_there_once(
    open_writer: Callable[..., Writer], tmp_path: Path
) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=LIMIT_S, check=False)
    assert ended.returncode == -9
    assert ids(tmp_path) == ["0", "1", "2", "3", "4"]
    writer = open_writer()
    assert [name.endswith(".parquet") for name in files(tmp_path)] == [True]
    assert ids(tmp_path) == ["0", "1", "2", "3", "4"]
    write(writer, "5")
    assert ids(tmp_path) == ["0", "1", "2", "3", "4", "5"]


def test_what_a_crash_left_half_done_is_cleared_away(open_writer: Callable[..., Writer], tmp_path: Path) -> None:
    writer = open_writer(seal_after_s=NEVER)
    write(writer, "1")
    (journal,) = (tmp_path / "spans").glob("*.journal")
    kept = journal.read_bytes()
    writer.close()
    journal.write_bytes(kept)  # its segment was renamed, and then the power went
    (tmp_path / "spans" / "0000000002.tmp").write_bytes(b"half a segment")
    assert ids(tmp_path) == ["1"]
    open_writer()
    assert [name.endswith(".parquet") for name in files(tmp_path)] == [True]
    assert ids(tmp_path) == ["1"]


def test_a_disk_that_is_full_costs_what_comes_and_nothing_else(
    open_writer: Callable[..., Writer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    writer = open_writer(seal_after_s=NEVER)
    write(writer, "1")
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="No space left"):
            write(writer, "2")
        assert "No space left" in writer.trouble
    write(writer, "3")
    assert writer.trouble == ""
    assert ids(tmp_path) == ["1", "3"]


def test_a_full_disk_at_the_beginning_of_a_journal_is_overcome(
    open_writer: Callable[..., Writer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    writer = open_writer(seal_after_s=NEVER)
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        for _ in range(2):
            with pytest.raises(StoreError, match="No space left"):
                write(writer, "1")
    write(writer, "2")
    assert ids(tmp_path) == ["2"]


def test_a_journal_that_cannot_be_sealed_is_read_as_it_is(
    open_writer: Callable[..., Writer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    writer = open_writer(seal_after_s=AT_ONCE)
    with monkeypatch.context() as disk:
        disk.setattr(segments._parquet, "write_table", full)  # pyright: ignore[reportPrivateUsage]
        write(writer, "1")
        writer.tidy().result(LIMIT_S)
        assert files(tmp_path) == ["0000000001.journal"]
        write(writer, "2")
    assert ids(tmp_path) == ["1", "2"]
    writer.close()
    open_writer()
    assert all(name.endswith(".parquet") for name in files(tmp_path))
    assert ids(tmp_path) == ["1", "2"]


def test_what_is_too_old_is_removed(open_writer: Callable[..., Writer], tmp_path: Path) -> None:
    writer = open_writer(seal_after_s=AT_ONCE, retention=Retention(timedelta(minutes=20)))
    write(writer, "old", minute=-10)
    writer.tidy().result(LIMIT_S)
    write(writer, "young", minute=10)
    writer.tidy().result(LIMIT_S)
    assert ids(tmp_path) == ["young"]


def test_a_closed_store_takes_nothing_more(open_writer: Callable[..., Writer]) -> None:
    writer = open_writer()
    writer.close()
    with pytest.raises(StoreError, match="closed"):
        write(writer, "1")


def test_a_damaged_segment_costs_its_own_rows(open_writer: Callable[..., Writer], tmp_path: Path) -> None:
    writer = open_writer(seal_after_s=AT_ONCE)
    write(writer, "1")
    writer.tidy().result(LIMIT_S)
    write(writer, "2")
    writer.tidy().result(LIMIT_S)
    first, _ = shelf(tmp_path / "spans").segments
    first.path.write_bytes(b"rotten")
    assert ids(tmp_path) == ["2"]


def test_a_segment_of_other_columns_is_a_damaged_one(open_writer: Callable[..., Writer], tmp_path: Path) -> None:
    writer = open_writer(seal_after_s=AT_ONCE)
    write(writer, "1")
    writer.tidy().result(LIMIT_S)
    (segment,) = shelf(tmp_path / "spans").segments
    pq.write_table(pa.table({"x": [1]}), segment.path)  # pyright: ignore[reportUnknownMemberType]
    assert ids(tmp_path) == []


def test_other_files_are_passed_over(open_writer: Callable[..., Writer], tmp_path: Path) -> None:
    write(open_writer(), "1")
    for name in ("notes.txt", "1_2_3_4.parquet", "x.journal"):
        (tmp_path / "spans" / name).write_text("")
    assert ids(tmp_path) == ["1"]


def test_of_more_rows_than_fit_the_newest_are_answered_and_no_minute_in_part(
    open_writer: Callable[..., Writer], tmp_path: Path
) -> None:
    writer = open_writer(seal_after_s=AT_ONCE)
    for minutes in ((0, 5, 9), (10, 15, 19), (8, 25, 29)):  # the last brings a straggler
        writer.append("spans", spans(*({"span_id": f"{m:02d}", "start": at(m)} for m in minutes))).result(LIMIT_S)
        writer.tidy().result(LIMIT_S)
    assert ids(tmp_path, most_rows=9) == ["00", "05", "08", "09", "10", "15", "19", "25", "29"]
    assert ids(tmp_path, most_rows=7) == ["10", "15", "19", "25", "29"]
    assert ids(tmp_path, Window(at(0), at(5)), most_rows=3) == ["00", "05"]
    with pytest.raises(BackendError, match="more than 2 spans"):
        ids(tmp_path, most_rows=2)


def test_readers_see_every_acknowledged_row_once_while_journals_are_sealed(
    open_writer: Callable[..., Writer], tmp_path: Path
) -> None:
    writer, acknowledged, done = open_writer(seal_after_s=AT_ONCE), list[str](), threading.Event()

    def write_on() -> None:
        for number in range(60):
            write(writer, f"{number:03d}")
            acknowledged.append(f"{number:03d}")
        done.set()

    thread = threading.Thread(target=write_on)
    thread.start()
    looks = 0
    while not done.is_set() or not looks:
        before = list(acknowledged)
        found = ids(tmp_path)
        looks += 1
        assert found[: len(before)] == before
        assert len(found) == len(set(found))
    thread.join()
    assert ids(tmp_path) == acknowledged


def test_answers_have_the_schema_of_the_port(open_writer: Callable[..., Writer], tmp_path: Path) -> None:
    writer = open_writer(seal_after_s=AT_ONCE)
    write(writer, "1")
    writer.tidy().result(LIMIT_S)
    write(writer, "2")
    assert asyncio.run(EmbeddedTelemetry(tmp_path).spans(HOUR)).schema.equals(SPANS)


@pytest.mark.parametrize("seal_after_s", [AT_ONCE, NEVER])
def test_a_directory_that_somebody_removes_costs_what_was_in_it(
    open_writer: Callable[..., Writer], tmp_path: Path, seal_after_s: float
) -> None:
    writer = open_writer(seal_after_s=seal_after_s)
    write(writer, "1")
    writer.tidy().result(LIMIT_S)
    shutil.rmtree(tmp_path / "spans")
    write(writer, "2")
    writer.tidy().result(LIMIT_S)
    assert ids(tmp_path) == ["2"]


def test_a_journal_of_another_version_is_put_aside(open_writer: Callable[..., Writer], tmp_path: Path) -> None:
    (tmp_path / "spans").mkdir()
    foreign = Journal(tmp_path / "spans" / "0000000007.journal")
    foreign.append(logs({"body": "not a span"}))
    foreign.close()
    assert ids(tmp_path) == []
    write(open_writer(seal_after_s=NEVER), "1")
    assert ids(tmp_path) == ["1"]
    assert files(tmp_path) == ["0000000007.damaged", "0000000008.journal"]
