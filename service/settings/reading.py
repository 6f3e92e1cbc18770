"""From a TOML file, the environment and the command line to settings."""

import difflib
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from service.errors import SettingsError
from service.settings.groups import Settings
from service.stores.validation import first_fault

PREFIX = "HYPOCENTER_"
DELIMITER = "__"
CONFIG = f"{PREFIX}CONFIG"
"""Names the TOML file."""

NOT_OURS = frozenset({CONFIG, f"{PREFIX}CASES"})
"""Variables with our prefix that are no settings: the file itself, and where tests find recorded cases."""

SERVICE_LINK = re.compile(
    rf"""{PREFIX}(\w+_)?(
      (SERVICE_HOST|PORT_\d+_(TCP|UDP|SCTP)_ADDR) = [\d.]+
    | (SERVICE_HOST|PORT_\d+_(TCP|UDP|SCTP)_ADDR) = [\da-f:]*:[\da-f:.]*
    | (SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)_PORT) = \d+
    | PORT_\d+_(TCP|UDP|SCTP)_PROTO = (tcp|udp|sctp)
    | PORT(_\d+_(TCP|UDP|SCTP))? = (tcp|udp|sctp)://\S+
    )""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
"""What Kubernetes sets in every pod for a Service of the namespace whose name begins with ours, ``NAME=value``: its
address and its ports. The value decides as well: ``tcp://10.0.0.7:8080`` is no port that a person sets."""

Options = Mapping[str, tuple[str, object]]
"""Settings of a command line: by dotted name, how the option is written and its value, None where it was not given."""


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
    except OSError as error:
        raise SettingsError(f"settings {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"settings {path}: {error}") from None
    for name, value in _flat(told, frozenset(_names())):
        yield _Said(name, value, name, f"settings {path}")


def _in_environment(environ: Mapping[str, str]) -> Iterator[_Said]:
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in NOT_OURS:
            continue
        if environ[variable] and not SERVICE_LINK.fullmatch(f"{variable}={environ[variable]}"):
            name = variable.removeprefix(PREFIX).lower().replace(DELIMITER, ".")
            yield _Said(name, environ[variable], variable, "environment")


def _on_command_line(options: Options) -> Iterator[_Said]:
    for name, (option, value) in options.items():
        if value is not None:
            yield _Said(name, value, option, "command line")


def _flat(tree: Mapping[str, object], names: Collection[str], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Values by dotted name; what is a table of its own in our settings too stays one."""
    for key, value in tree.items():
        if isinstance(value, dict) and f"{prefix}{key}" not in names:
            yield from _flat({str(k): v for k, v in value.items()}, names, f"{prefix}{key}.")  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
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
    raise SettingsError(f"{setting.where}: {setting.shown} is no setting; the nearest is {nearest}")


def _nested(said: Iterable[_Said]) -> dict[str, object]:
    """The values as a tree; of two for one name the later stands."""
    alone: dict[str, object] = {}
    groups: dict[str, dict[str, object]] = {}
    for setting in said:
        group, _, name = setting.name.rpartition(".")
        (groups.setdefault(group, {}) if group else alone)[name] = setting.value
    return {**alone, **groups}


def _blame(error: ValidationError, said: Sequence[_Said]) -> str:
    """The first thing that is wrong, under the name by which it was said; what is wrong with a group as a whole, by the
    place where the last of it was said.
    """
    where = ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"])
    fault = first_fault(error)
    for setting in reversed(said):
        if f"{where}.".startswith(f"{setting.name}."):
            return f"{setting.where}: {fault.replace(setting.name, setting.shown, 1)}"
    of_group = next((s for s in reversed(said) if s.name.startswith(f"{where}.")), None)
    return fault if of_group is None else f"{of_group.where}: {fault}"
