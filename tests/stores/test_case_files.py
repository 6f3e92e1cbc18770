import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.errors import CaseError
from service.ports import TIME
from service.stores.alert_body import AlertGroup, alert_body, parse_alert_body
from service.stores.case_files import read_incident, read_table, write_case
from service.stores.case_tables import SCHEMAS, CaseTables
from service.text import is_printable
from tests.strangers import spoiled
from tests.telemetry_rows import incident, small_tables

BODY = alert_body(AlertGroup("g", "firing", incident().alerts))
ENDS = ["2026-03-04T05:00:00Z", "2026-03-04T05:30:00Z"]
CASE = {
    "format": "case/1",
    "id": "c1",
    "system": "shop",
    "alert": BODY,
    "window": {"start": ENDS[0], "end": ENDS[1]},
    "baseline": {"spans": ["2026-03-04T04:00:00Z", ENDS[0]], "logs": ["2026-03-04T04:00:00Z", ENDS[0]]},
}


def values(schema: pa.Schema, name: str) -> st.SearchStrategy[object]:
    if name in ("start", "time"):
        return st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
    if name == "duration_us":
        return st.integers(-(2**63), 2**63 - 1)
    if name == "value":
        return st.floats(allow_nan=False, allow_infinity=False)
    return st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")).filter(is_printable), max_size=8)


def tables(name: str) -> st.SearchStrategy[pa.Table]:
    schema = SCHEMAS[name]
    row = st.fixed_dictionaries({column: values(schema, column) for column in schema.names})
    return st.lists(row, max_size=5).map(lambda rows: pa.Table.from_pylist(rows, schema=schema))


cases = st.builds(CaseTables, **{name: st.none() | tables(name) for name in SCHEMAS})


@settings(max_examples=50, deadline=None)
@given(cases)
def test_what_is_written_is_what_is_read(written: CaseTables) -> None:
    with tempfile.TemporaryDirectory() as root:
        directory = Path(root) / "case"
        write_case(directory, incident(), BODY, written)
        found = {name: directory / f"{name}.parquet" for name in SCHEMAS if (directory / f"{name}.parquet").exists()}
        assert found.keys() == written.present().keys()
        for name, path in found.items():
            assert read_table(path, SCHEMAS[name]).equals(written.present()[name])
        assert read_incident(directory) == incident()


def test_an_alert_body_survives_being_written(tmp_path: Path) -> None:
    write_case(tmp_path / "case", incident(), BODY, CaseTables())
    told = json.loads((tmp_path / "case" / "case.json").read_text())
    assert told["alert"] == BODY
    assert parse_alert_body(BODY).alerts == incident().alerts


def test_the_truth_is_written_apart(tmp_path: Path) -> None:
    write_case(tmp_path / "with", incident(), BODY, CaseTables(), {"causes": []})
    write_case(tmp_path / "without", incident(), BODY, CaseTables())
    assert json.loads((tmp_path / "with" / "truth.json").read_text()) == {"causes": []}
    assert not (tmp_path / "without" / "truth.json").exists()


def test_nothing_is_ever_written_over(tmp_path: Path) -> None:
    write_case(tmp_path / "case", incident(), BODY, small_tables())
    with pytest.raises(CaseError, match="already there"):
        write_case(tmp_path / "case", incident(), BODY, small_tables())


def test_tables_that_are_not_of_the_format_are_not_written(tmp_path: Path) -> None:
    wrong = CaseTables(topology=pa.table({"source": ["a"], "when": pa.array([0]).cast(TIME)}))
    with pytest.raises(CaseError, match="topology: column 'target' is missing"):
        write_case(tmp_path / "case", incident(), BODY, wrong)
    assert not (tmp_path / "case").exists()


@pytest.mark.parametrize("name", ["spans", "metrics"])
def test_a_page_that_was_damaged_after_it_was_written_is_noticed(tmp_path: Path, name: str) -> None:
    write_case(tmp_path / "case", incident(), BODY, small_tables())
    path = tmp_path / "case" / f"{name}.parquet"
    content = path.read_bytes()
    complaints: list[str] = []
    for place in range(50, 400, 50):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            found = read_table(path, SCHEMAS[name])
        except CaseError as error:
            complaints.append(str(error))
        else:
            assert found.equals(small_tables().present()[name])  # the byte belongs to nothing that is read
    assert complaints
    assert all(c.startswith(f"{path}: cannot be read as parquet: ") and "\n" not in c for c in complaints)


@given(spoiled([CASE]))
@example(CASE)
@example(CASE | {"id": "\x1b[2J", "system": "\u202e"})
@example(CASE | {"format": "\x1f"})
@example(CASE | {"baseline": {"\x1f": ENDS}})
@example(CASE | {"baseline": {"spans": ENDS[::-1]}})
def test_a_case_is_read_with_printable_names_or_refused_in_one_printable_line(whatever: object) -> None:
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "case.json").write_text(json.dumps(whatever))
        try:
            case = read_incident(Path(root))
            texts = [case.id, case.system]
        except CaseError as error:
            texts = [str(error)]
    assert [text for text in texts if not is_printable(text)] == []
