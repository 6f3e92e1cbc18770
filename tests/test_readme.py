"""What the README says of commands and settings is what there is: each by its name, settings with their defaults."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel

from model_store.__main__ import app as of_models
from service.__main__ import cli as of_service
from service.settings import Settings
from service.settings.notify import NotifySettings

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()
SIGNALS = ("traces", "logs", "metrics", "changes", "topology")
WORDS: dict[str, tuple[object, ...]] = {
    "none": (None, "", (), {}),
    "all": ("", ()),
    "no limit": (0,),
    "no": (False,),
    "yes": (True,),
}


def rows() -> Iterator[tuple[list[str], list[str]]]:
    """Of each row of the table its settings, ``.name`` written out, and its defaults."""
    table = README.split("| setting | default | means |\n| --- | --- | --- |\n", 1)[1].split("\n\n", 1)[0]
    for line in table.splitlines():
        names, defaults = (cell.strip() for cell in line.split(" | ")[:2])
        yield list(written_out(re.findall(r"`([^`]+)`", names))), re.split(r"[,;] ", defaults)


def written_out(names: list[str]) -> Iterator[str]:
    group = ""
    for name in names:
        if not name.startswith("."):
            group = name.rpartition(".")[0]
        yield group + name if name.startswith(".") else name


def defaults_of(group: BaseModel, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name in type(group).model_fields:
        value = getattr(group, name)
        if isinstance(value, BaseModel):
            yield from defaults_of(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def meant(name: str) -> list[str]:
    """The settings that a name of the table stands for: ``*`` is every signal."""
    return [signal + name[1:] for signal in SIGNALS] if name.startswith("*") else [name]


def says(said: str, value: object) -> bool:
    return value in WORDS[said] if said in WORDS else str(value) in (said.strip("`"), f"{said}.0", said.capitalize())


DEFAULTS = dict(defaults_of(Settings()))


@pytest.mark.parametrize(("program", "cli"), [("hypocenter", of_service), ("hypocenter-models", of_models)])
def test_every_command_is_told_of_and_every_command_that_is_told_of_is_there(program: str, cli: typer.Typer) -> None:
    table = README.split("| command | does |\n", 1)[1].split("\n\n", 1)[0]
    first = [line.split(" | ")[0] for line in table.splitlines() if line.startswith(f"| `{program} ")]
    told = {name for cell in first for name in re.findall(r"`(?:hypocenter(?:-models)? )?([a-z][a-z-]+)", cell)}
    there = {command.name or command.callback.__name__ for command in cli.registered_commands if command.callback}
    assert told == {name.replace("_", "-") for name in there}


def test_every_setting_is_told_of_and_every_setting_that_is_told_of_is_there() -> None:
    told = {setting for names, _ in rows() for name in names for setting in meant(name)}
    of_targets = {name.removeprefix("notify.NAME.") for name in told if name.startswith("notify.NAME.")}
    assert {name for name in told if not name.startswith("notify.NAME.")} == DEFAULTS.keys() - {"notify"}
    assert of_targets <= NotifySettings.model_fields.keys()


def test_defaults_are_told_as_they_are() -> None:
    wrong = [
        (name, said, DEFAULTS[name])
        for names, defaults in rows()
        if not names[0].startswith("notify.NAME.")
        for told, said in zip(names, defaults if len(defaults) > 1 else defaults * len(names), strict=True)
        for name in meant(told)
        if not says(said, DEFAULTS[name])
    ]
    assert wrong == []
