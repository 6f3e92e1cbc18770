"""What can be set: by a TOML file (``port = 9000``, under ``[model]`` ``name = "rules"``), by the environment with the
same names (``HYPOCENTER_PORT=9000``, ``HYPOCENTER_MODEL__NAME=rules``), by the command line; the later of these stands.
A name that does not exist is an error.
"""

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from service.errors import SettingsError
from service.stores.validation import first_fault, printable

PREFIX = "HYPOCENTER_"
DELIMITER = "__"
CONFIG = f"{PREFIX}CONFIG"
"""Names the TOML file."""

NOT_OURS = frozenset({CONFIG, f"{PREFIX}CASES"})
"""Variables with our prefix that are no settings: the file itself, and where tests find recorded cases."""

Options = Mapping[str, tuple[str, object]]
"""Settings of a command line: by dotted name, how the option is written and its value, None where it was not given."""

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSettings(_Group):
    """Which model localizes: "none" (the statistical rank alone), "rules" (built in), "promoted" (the one that
    ``hypocenter-models promote`` chose), the directory of one with its manifest or its name in the store, or the name
    of one on a server (``base_url``).
    """

    name: Annotated[str, Field(min_length=1)] = "none"
    store: Path | None = None
    """The directory of models, each in its own; else that which is installed with the service."""
    base_url: str = ""
    """Who serves the model: any OpenAI-compatible server; one that could run in this process is served by vLLM then."""
    api_key_file: Path | None = None
    timeout_s: Seconds = 30.0


class BudgetSettings(_Group):
    """What one localization may cost."""

    deadline_s: Seconds = 60.0
    telemetry_timeout_s: Seconds = 10.0
    depth: Annotated[int, Field(ge=0, le=10)] = 3
    frames: Annotated[int, Field(ge=1, le=200)] = 16
    turns: Annotated[int, Field(ge=1, le=50)] = 8
    tokens: Annotated[int, Field(ge=1000)] = 100_000


class GatewaySettings(_Group):
    """What callers may do."""

    body_limit_bytes: Annotated[int, Field(ge=1024)] = 1_000_000
    requests_per_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 500.0
    """Notifications and questions taken per second, in the long run; 0 is no limit."""
    longest_wait_s: Seconds = 60.0
    heartbeat_s: Seconds = 15.0


class WorkerSettings(_Group):
    """How localizations are worked on."""

    at_once: Annotated[int, Field(ge=1, le=64)] = 2
    lease_s: Seconds = 6.0
    drain_s: Seconds = 10.0
    """How long a localization may take to end when the process is told to."""


class WindowSettings(_Group):
    """Which time a live incident looks at: see `service.view.windows.LiveWindows`."""

    lead_s: Seconds = 600.0
    longest_s: Seconds = 7200.0
    baseline_s: Seconds = 3600.0
    shortest_baseline_s: Seconds = 900.0


def _split(told: object) -> object:
    return tuple(told.replace(",", " ").split()) if isinstance(told, str) else told


Words = Annotated[tuple[str, ...], BeforeValidator(_split)]
"""A list, or one text with commas between, as an environment has it."""


class LabelSettings(_Group):
    """Labels of a Prometheus that say whose a series is, believed before those that are usual.

    ``peer`` is what calls go to, ``status`` the answer's code.
    """

    service: Words = ()
    pod: Words = ()
    node: Words = ()
    peer: Words = ()
    status: Words = ()


class FamilySettings(_Group):
    """A family of series that is asked for beside those of the conventions and the common exporters: its name, without
    ``_bucket``, ``_sum`` or ``_count`` where it is a histogram; ``scale`` converts to the unit.
    """

    name: Annotated[str, Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")]
    form: Literal["gauge", "rate", "histogram"]
    unit: str = ""
    about: Literal["component", "edge", "node"] = "component"
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0


class TelemetrySettings(_Group):
    """Where live telemetry comes from: ``embedded`` is the directory of the store that exporters send theirs to;
    metrics come from a Prometheus where ``prometheus_url`` names one.
    """

    embedded: Path | None = None
    prometheus_url: Annotated[str, Field(pattern=r"^$|^https?://\S+$")] = ""
    prometheus_step_s: Annotated[int, Field(ge=1, le=3600)] = 15
    """How far apart samples should be: not below the interval at which it scrapes."""
    prometheus_tenant: str = ""
    prometheus_families: tuple[FamilySettings, ...] = ()
    keep_s: Annotated[float, Field(gt=0, le=366 * 86_400, allow_inf_nan=False)] = 48 * 3600.0
    """Rows are kept so long, and are removed earlier if there would be more than ``keep_bytes``, oldest first."""
    keep_bytes: Annotated[int, Field(ge=1_000_000)] = 5_000_000_000
    body_limit_bytes: Annotated[int, Field(ge=1024, le=100_000_000)] = 8_000_000
    """The longest request taken, packed and unpacked."""
    room_bytes: Annotated[int, Field(ge=1024)] = 64_000_000
    """All requests together that are not on the disk yet; more are told to come again."""


class Settings(_Group):
    """All settings; only `service.app` and `service.wiring` read them."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    store: Path = Path("hypocenter.sqlite")
    case: Path | None = None
    rank: Literal["model", "statistical", "fused"] = "fused"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    model: ModelSettings = ModelSettings()
    budget: BudgetSettings = BudgetSettings()
    gateway: GatewaySettings = GatewaySettings()
    worker: WorkerSettings = WorkerSettings()
    windows: WindowSettings = WindowSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    labels: LabelSettings = LabelSettings()


@dataclass(frozen=True, slots=True)
class _Said:
    """One setting as somebody gave it; ``shown`` is how they wrote its name, ``where`` is where."""

    name: str
    value: object
    shown: str
    where: str


def read_settings(environ: Mapping[str, str], config: Path | None = None, options: Options | None = None) -> Settings:
    """The settings of this process.

    Raises `SettingsError` with one line that names the place and, for an unknown name, the nearest real one.
    """
    path = config or (Path(environ[CONFIG]) if environ.get(CONFIG) else None)
    said = [*(_in_file(path) if path else ()), *_in_environment(environ), *_on_command_line(options or {})]
    for setting in said:
        _need_known(setting)
    try:
        return Settings.model_validate(_nested(said))
    except ValidationError as error:
        raise SettingsError(_blame(error, said)) from None


def _in_file(path: Path) -> Iterator[_Said]:
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(printable(f"settings {path}: {error}")) from None
    for name, value in _flat(told):
        yield _Said(name, value, name, f"settings {path}")


def _in_environment(environ: Mapping[str, str]) -> Iterator[_Said]:
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in NOT_OURS and environ[variable]:
            name = variable.removeprefix(PREFIX).lower().replace(DELIMITER, ".")
            yield _Said(name, environ[variable], variable, "environment")


def _on_command_line(options: Options) -> Iterator[_Said]:
    for name, (option, value) in options.items():
        if value is not None:
            yield _Said(name, value, option, "command line")


def _flat(tree: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat({str(k): v for k, v in value.items()}, f"{prefix}{key}.")  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        else:
            yield f"{prefix}{key}", value


def _names(group: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    for name, field in group.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _names(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _need_known(setting: _Said) -> None:
    names = list(_names())
    if setting.name in names:
        return
    variable = setting.shown.startswith(PREFIX)
    near = difflib.get_close_matches(setting.name, names, n=1, cutoff=0.0)[0]
    nearest = PREFIX + near.upper().replace(".", DELIMITER) if variable else near
    raise SettingsError(printable(f"{setting.where}: {setting.shown} is no setting; the nearest is {nearest}"))


def _nested(said: Iterable[_Said]) -> dict[str, object]:
    """The values as a tree; of two for one name the later stands."""
    alone: dict[str, object] = {}
    groups: dict[str, dict[str, object]] = {}
    for setting in said:
        group, _, name = setting.name.rpartition(".")
        (groups.setdefault(group, {}) if group else alone)[name] = setting.value
    return {**alone, **groups}


def _blame(error: ValidationError, said: Iterable[_Said]) -> str:
    """The first thing that is wrong, under the name by which it was said."""
    name = ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"])
    culprit = next((s for s in reversed(list(said)) if s.name == name), None)
    fault = first_fault(error)
    return fault if culprit is None else f"{culprit.where}: {fault.replace(name, culprit.shown, 1)}"
