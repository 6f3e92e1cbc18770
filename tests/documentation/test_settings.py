"""The settings that the documentation tells of are those that there are, with their defaults; examples can be meant."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from service.jobs.no_incidents import USUAL
from service.settings import Settings, read_settings
from service.settings.notify import NotifySettings
from tests.documentation.pages import PAGES, fenced, name_of, rows

SIGNALS = ("traces", "logs", "metrics", "changes", "topology")
WORDS: dict[str, tuple[object, ...]] = {
    "none": (None, "", (), {}),
    "all": ("", ()),
    "no limit": (0,),
    "no": (False,),
    "yes": (True,),
    "Watchdog and the like": (USUAL,),
}
EXAMPLES = {f"{name_of(page)}-{n}": told for page in PAGES for n, told in enumerate(fenced(page, "toml"))}


def told() -> Iterator[tuple[list[str], list[str]]]:
    """Of each row of the tables its settings, ``.name`` written out, and its defaults."""
    for names, defaults, _ in rows("| setting | default | means |"):
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
    """The settings that a name of the tables stands for: ``*`` is every signal."""
    return [signal + name[1:] for signal in SIGNALS] if name.startswith("*") else [name]


def says(said: str, value: object) -> bool:
    return value in WORDS[said] if said in WORDS else str(value) in (said.strip("`"), f"{said}.0", said.capitalize())


DEFAULTS = dict(defaults_of(Settings()))


def test_every_setting_is_told_of_once_and_every_setting_that_is_told_of_is_there() -> None:
    names = [setting for names, _ in told() for name in names for setting in meant(name)]
    assert len(names) == len(set(names))
    of_targets = {name.removeprefix("notify.NAME.") for name in names if name.startswith("notify.NAME.")}
    assert {name for name in names if not name.startswith("notify.NAME.")} == DEFAULTS.keys() - {"notify"}
    assert of_targets <= NotifySettings.model_fields.keys()


def test_defaults_are_told_as_they_are() -> None:
    wrong = [
        (name, said, DEFAULTS[name])
        for names, defaults in told()
        if not names[0].startswith("notify.NAME.")
        for each, said in zip(names, defaults if len(defaults) > 1 else defaults * len(names), strict=True)
        for name in meant(each)
        if not says(said, DEFAULTS[name])
    ]
    assert wrong == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_configuration_that_is_shown_can_be_meant(example: str, tmp_path: Path) -> None:
    (file := tmp_path / "hypocenter.toml").write_text(EXAMPLES[example])
    assert read_settings({}, file) != Settings()
