"""A case directory on disk: case.json, the tables beside it, and, written only, truth.json."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.domain.evidence import Signal
from service.domain.incident import Incident
from service.domain.window import Window, rfc3339
from service.errors import CallerError, CaseError
from service.stores.alert_body import parse_alert_body
from service.stores.case_tables import SCHEMAS, CaseTables
from service.stores.columns import check_schema, conform, first_line, names_in
from service.stores.validation import Moment, first_fault, name_of

_parquet: Any = pq  # its stubs are partial

FORMAT = "case/1"

SIGNALS = {"spans": Signal.TRACES, "logs": Signal.LOGS, "metrics": Signal.METRICS}
"""What case.json calls the signals that have a baseline."""


def read_incident(directory: Path) -> Incident:
    """What case.json tells a responder. Raises `CaseError` with one line that names the file."""
    path = directory / "case.json"
    told = _read_json(path)
    if (found := told.get("format")) != FORMAT:
        raise CaseError(f"{path}: format is {json.dumps(found)[:40]}, should be {json.dumps(FORMAT)}")
    try:
        read = _CaseFile.model_validate(told)
        alerts = () if read.alert.get("alerts") == [] else parse_alert_body(read.alert).alerts
        baselines = {
            SIGNALS[name]: _window(ends, path, f"baseline.{name}") for name, ends in (read.baseline or {}).items()
        }
        window = _window((read.window.start, read.window.end), path, "window")
    except ValidationError as error:
        raise CaseError(f"{path}: {first_fault(error)}") from None
    except CaseError:
        raise
    except CallerError as error:
        raise CaseError(f"{path}: {error}") from None
    return Incident(id=name_of(read.id), system=name_of(read.system), alerts=alerts, window=window, baselines=baselines)


def check_table(path: Path, schema: pa.Schema) -> list[str]:
    """The columns of the schema that the file has: older ones lack some. Reads only its footer.

    Raises `CaseError` if it is no parquet or lacks others.
    """
    if not path.is_file():  # a directory, a pipe that would keep its reader waiting, a link that leads nowhere
        raise CaseError(f"{path}: is no file, should be a parquet file")
    try:
        found = _parquet.read_schema(path, memory_map=True)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None
    check_schema(found, schema, str(path))
    return [name for name in schema.names if name in found.names]


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """The table in that file with exactly the columns of the schema. Raises `CaseError` if it cannot be had."""
    there = check_table(path, schema)
    try:
        with _parquet.ParquetFile(path, **_reading(schema, there)) as file:
            table: pa.Table = file.read(columns=there)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None
    return conform(table, schema, str(path))


def _reading(schema: pa.Schema, there: Collection[str]) -> dict[str, Any]:
    return {
        "memory_map": True,
        "page_checksum_verification": True,  # of pages that have one: damaged numbers look like any others
        # each name once, however many rows bear it and however long it is
        "read_dictionary": [name for name in names_in(schema) if name in there],
    }


def write_case(
    directory: Path,
    incident: Incident,
    alert_body: Mapping[str, object],
    tables: CaseTables,
    truth: Mapping[str, object] | None = None,
) -> None:
    """Writes a case/1 directory; case.json comes last, so that what has one is whole.

    Raises `CaseError` if the directory holds something already or cannot be written, or the tables are not those of
    the format.
    """
    need_free(directory)
    present = {name: conform(table, SCHEMAS[name], name) for name, table in tables.present().items()}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, table in present.items():
            _parquet.write_table(table, directory / f"{name}.parquet", compression="zstd", write_page_checksum=True)
        if truth is not None:
            _write_json(directory / "truth.json", truth)
        _write_json(directory / "case.json", _told(incident, alert_body))
    except OSError as error:
        raise CaseError(f"{directory}: cannot be written: {error.strerror}") from None


def need_free(directory: Path) -> None:
    """Raises `CaseError` if the directory holds something already, so that no case can be written there."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise CaseError(f"{directory}: is already there and not empty")


class _Ends(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    start: Moment
    end: Moment


class _CaseFile(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    id: Annotated[str, Field(min_length=1)]
    system: str = ""
    alert: dict[str, object]
    window: _Ends
    baseline: dict[Literal["spans", "logs", "metrics"], tuple[Moment, Moment]] | None = None


def _read_json(path: Path) -> dict[str, object]:
    if not path.parent.is_dir():
        raise CaseError(f"{path.parent}: is {'not a directory' if path.parent.exists() else 'not there'}")
    if not path.is_file():
        raise CaseError(f"{path}: is {'no file' if path.exists() else 'missing, so this is no case directory'}")
    try:
        told: object = json.loads(path.read_bytes())
    except OSError as error:
        raise CaseError(f"{path}: cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise CaseError(f"{path}: is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError):
        raise CaseError(f"{path}: is not JSON that can be read") from None
    if not isinstance(told, dict):
        raise CaseError(f"{path}: holds {json.dumps(told)[:40]}, should hold a JSON object")
    return {str(key): value for key, value in told.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _window(ends: tuple[datetime, datetime], path: Path, field: str) -> Window:
    try:
        return Window(*ends)
    except ValueError as error:
        raise CaseError(f"{path}: {field}: {error}") from None


def _unreadable(path: Path, error: Exception) -> CaseError:
    return CaseError(f"{path}: cannot be read as parquet: {first_line(error)}")


def _told(incident: Incident, alert_body: Mapping[str, object]) -> dict[str, object]:
    names = {signal: name for name, signal in SIGNALS.items()}
    return {
        "format": FORMAT,
        "id": incident.id,
        "system": incident.system,
        "alert": dict(alert_body),
        "window": {"start": rfc3339(incident.window.start), "end": rfc3339(incident.window.end)},
        "baseline": {
            names[signal]: [rfc3339(window.start), rfc3339(window.end)]
            for signal, window in incident.baselines.items()
            if signal in names
        },
    }


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
