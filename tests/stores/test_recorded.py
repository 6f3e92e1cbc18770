import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.domain.evidence import Signal
from service.domain.fault import Fault
from service.errors import CaseError
from service.stores.alert_body import AlertGroup, alert_body
from service.stores.case_files import write_case
from service.stores.recorded import RecordedCase
from service.stores.validation import name_of
from tests.conftest import CaseFactory
from tests.telemetry_rows import BASELINE, WINDOW, at, incident, small_tables, spans


@pytest.fixture
def small_case(tmp_path: Path) -> Path:
    told = incident()
    write_case(tmp_path / "case", told, alert_body(AlertGroup("g", "firing", told.alerts)), small_tables())
    return tmp_path / "case"


def retold(directory: Path, **changes: object) -> Path:
    path = directory / "case.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return directory


def refusal(directory: Path) -> str:
    with pytest.raises(CaseError) as refused:
        RecordedCase.open(directory)
    line = str(refused.value)
    assert "\n" not in line
    return line


def test_a_case_tells_its_incident(small_case: Path) -> None:
    told = RecordedCase.open(small_case).incident
    assert told == incident()
    assert told.alerted_at == at(10)
    assert told.alerting_services == ("a",)


def test_the_baseline_may_lie_after_the_window_and_signals_may_lack_one(small_case: Path) -> None:
    later = ["2026-11-22T13:00:00Z", "2026-11-22T15:30:00+01:00"]
    told = RecordedCase.open(retold(small_case, baseline={"logs": later})).incident
    assert list(told.baselines) == [Signal.LOGS]
    assert told.baselines[Signal.LOGS].length.total_seconds() == 5400


def test_the_truth_is_never_opened(small_case: Path) -> None:
    (small_case / "truth.json").write_text("not even JSON")
    assert RecordedCase.open(small_case).incident.id == "one"


@pytest.mark.parametrize("name", ["spans", "logs", "metrics", "topology", "changes"])
def test_any_table_may_be_missing(small_case: Path, name: str) -> None:
    (small_case / f"{name}.parquet").unlink()
    port = {"spans": "traces"}.get(name, name)
    assert getattr(RecordedCase.open(small_case).telemetry, port) is None


def test_a_case_without_an_alert_that_fires_can_be_asked_about(small_case: Path) -> None:
    body = alert_body(AlertGroup("g", "firing", ()))
    told = RecordedCase.open(retold(small_case, alert=body)).incident
    assert told.alerts == ()
    assert WINDOW.start < told.alerted_at < WINDOW.end


def test_a_synthetic_case_opens(case_dir: Path, synthetic_case: CaseFactory) -> None:
    made = synthetic_case(fault=Fault.NETWORK_DELAY)
    assert RecordedCase.open(case_dir).incident == made.incident


def rewritten(directory: Path, name: str, content: bytes) -> Path:
    (directory / name).write_bytes(content)
    return directory


def removed(directory: Path, name: str) -> Path:
    (directory / name).unlink()
    return directory


def made_directory(directory: Path, name: str) -> Path:
    (removed(directory, name) / name).mkdir()
    return directory


Damage = Callable[[Path], Path]

DAMAGES: list[tuple[str, Damage, str, str]] = [
    ("no directory", lambda d: d / "nowhere", "nowhere", "is not there"),
    ("a file", lambda d: d / "case.json", "case.json", "is not a directory"),
    ("no case.json", lambda d: removed(d, "case.json"), "case.json", "is missing"),
    ("not JSON", lambda d: rewritten(d, "case.json", b"{"), "case.json", "is not JSON"),
    ("no text", lambda d: rewritten(d, "case.json", b"\xff\xfe\x00"), "case.json", "is not JSON"),
    ("deep JSON", lambda d: rewritten(d, "case.json", b"[" * 100_000), "case.json", "is not JSON"),
    ("a list", lambda d: rewritten(d, "case.json", b"[]"), "case.json", "should hold a JSON object"),
    ("no format", lambda d: retold(d, format=None), "case.json", 'format is null, should be "case/1"'),
    ("another format", lambda d: retold(d, format="case/2"), "case.json", 'format is "case/2"'),
    ("no id", lambda d: retold(d, id=""), "case.json", "id"),
    ("no window", lambda d: retold(d, window=None), "case.json", "window"),
    ("half a window", lambda d: retold(d, window={"start": "2026-11-22T12:00:00Z"}), "case.json", "window.end"),
    (
        "an empty window",
        lambda d: retold(d, window={"start": "2026-11-22T12:00:00Z", "end": "2026-11-22T12:00:00Z"}),
        "case.json",
        "window: a window ends after it starts",
    ),
    (
        "a window without a zone",
        lambda d: retold(d, window={"start": "2026-11-22T12:00:00", "end": "2026-11-22T12:10:00"}),
        "case.json",
        "window.start",
    ),
    (
        "a window in seconds",
        lambda d: retold(d, window={"start": 1700000000, "end": 1700000600}),
        "case.json",
        "window.start",
    ),
    (
        "a window at the end of time",
        lambda d: retold(d, window={"start": "2026-11-22T12:00:00Z", "end": "9999-12-31T23:59:59-14:00"}),
        "case.json",
        "window",
    ),
    (
        "a window before all telemetry",
        lambda d: retold(d, window={"start": "0001-01-01T00:00:00Z", "end": "2026-11-22T12:10:00Z"}),
        "case.json",
        "window.start",
    ),
    (
        "a backward baseline",
        lambda d: retold(d, baseline={"spans": ["2026-11-22T12:00:00Z", "2026-11-22T11:00:00Z"]}),
        "case.json",
        "baseline.spans",
    ),
    ("half a baseline", lambda d: retold(d, baseline={"logs": ["2026-11-22T12:00:00Z"]}), "case.json", "baseline.logs"),
    ("a strange baseline", lambda d: retold(d, baseline={"dreams": []}), "case.json", "baseline.dreams"),
    ("no alert", lambda d: retold(d, alert=None), "case.json", "alert"),
    ("no alert body", lambda d: retold(d, alert={}), "case.json", "alert body: version"),
    (
        "an empty table file",
        lambda d: rewritten(d, "spans.parquet", b""),
        "spans.parquet",
        "cannot be read as parquet",
    ),
    (
        "a text as table",
        lambda d: rewritten(d, "logs.parquet", b"time,body"),
        "logs.parquet",
        "cannot be read as parquet",
    ),
    (
        "a directory as table",
        lambda d: made_directory(d, "changes.parquet"),
        "changes.parquet",
        "is no file, should be a parquet file",
    ),
]


@pytest.mark.parametrize(("damage", "file", "line"), [d[1:] for d in DAMAGES], ids=[d[0] for d in DAMAGES])
def test_a_damaged_case_is_refused_in_one_line_that_names_the_file(
    small_case: Path, damage: Damage, file: str, line: str
) -> None:
    told = refusal(damage(small_case))
    assert file in told
    assert line in told


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.99])
def test_a_truncated_table_is_refused(small_case: Path, kept: float) -> None:
    path = small_case / "spans.parquet"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert str(path) in refusal(small_case)


def test_a_column_of_another_type_is_refused_when_the_case_is_opened(small_case: Path) -> None:
    wrong = spans({}).set_column(9, "duration_us", pa.array(["long"]))
    pq.write_table(wrong, small_case / "spans.parquet")  # pyright: ignore[reportUnknownMemberType]
    line = refusal(small_case)
    assert line == f"{small_case / 'spans.parquet'}: column 'duration_us' is string, should be int64"


async def _ask(directory: Path) -> pa.Table:
    traces = RecordedCase.open(directory).telemetry.traces
    assert traces is not None
    return await traces.spans(BASELINE)


def test_a_table_that_is_rotten_inside_is_refused_when_it_is_read(small_case: Path) -> None:
    path = small_case / "spans.parquet"
    content = bytearray(path.read_bytes())
    content[4:400] = b"\xaa" * 396
    path.write_bytes(bytes(content))
    with pytest.raises(CaseError) as refused:
        asyncio.run(_ask(small_case))
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["case.json", "spans.parquet"])
def test_a_pipe_in_place_of_a_file_keeps_nobody_waiting(small_case: Path, name: str) -> None:
    (small_case / name).unlink()
    os.mkfifo(small_case / name)
    assert f"{name}: is no file" in refusal(small_case)


def test_a_link_that_leads_nowhere_is_not_a_missing_table(small_case: Path) -> None:
    (small_case / "logs.parquet").unlink()
    (small_case / "logs.parquet").symlink_to(small_case / "gone")
    assert "logs.parquet: is no file" in refusal(small_case)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"null", "holds null, should hold a JSON object"),
        (b"[1, 2]", "holds [1, 2], should hold a JSON object"),
        (b'{"format": }', "is not JSON: Expecting value at line 1, column 12"),
    ],
)
def test_what_is_wrong_with_the_json_is_told_in_its_own_words(small_case: Path, content: bytes, complaint: str) -> None:
    (small_case / "case.json").write_bytes(content)
    assert refusal(small_case) == f"{small_case / 'case.json'}: {complaint}"


def test_complaints_speak_of_json_not_of_python(small_case: Path) -> None:
    assert refusal(retold(small_case, baseline={"logs": None})).endswith("baseline.logs: input should be a list")
    assert refusal(retold(small_case, window=[1, 2])).endswith("window: input should be an object")


def test_an_alert_names_a_service_as_telemetry_does(small_case: Path) -> None:
    told = json.loads((small_case / "case.json").read_text())
    told["alert"]["alerts"][0]["labels"]["service"] = "a\x1b" + "n" * 1000
    (name,) = RecordedCase.open(retold(small_case, **told)).incident.alerting_services
    assert name == name_of("a\x1b" + "n" * 1000)
