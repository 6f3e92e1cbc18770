"""The commands that the documentation tells of are those that there are, with their options."""

import re
from collections.abc import Iterator

import pytest
from typer.main import get_group

from model_store.__main__ import app as of_models
from service.__main__ import cli as of_service
from tests.documentation.pages import PAGES, fenced, rows, spans

COMMANDS = {"hypocenter": get_group(of_service).commands, "hypocenter-models": get_group(of_models).commands}
CALL = re.compile(r"(?:^| )(hypocenter(?:-models)?) ([a-z][a-z-]*)([^#&|]*)")


def calls() -> Iterator[tuple[str, str, list[str]]]:
    """Each command line that is shown: the program, its command, and the options."""
    for page in PAGES:
        for line in (*spans(page), *(line for block in fenced(page, "console") for line in block.splitlines())):
            for program, name, rest in CALL.findall(line):
                yield program, name, re.findall(r"--[a-z][a-z-]*", rest)


@pytest.mark.parametrize("program", COMMANDS)
def test_every_command_is_told_of_and_every_command_that_is_told_of_is_there(program: str) -> None:
    first = [cells[0] for cells in rows("| command | does |") if cells[0].startswith(f"`{program} ")]
    told = {name for cell in first for name in re.findall(r"`(?:hypocenter(?:-models)? )?([a-z][a-z-]+)", cell)}
    assert told == COMMANDS[program].keys()


def options_of(program: str, name: str) -> set[str]:
    """The options of that command; none, not even ``--help``, where there is no such command."""
    if name not in COMMANDS[program]:
        return set()
    return {"--help", *(told for p in COMMANDS[program][name].params for told in (*p.opts, *p.secondary_opts))}


def test_every_command_line_that_is_shown_can_be_meant() -> None:
    shown = list(calls())
    assert len(shown) > 30
    unknown = [
        (program, name, option)
        for program, name, options in shown
        for option in options or ["--help"]
        if option not in options_of(program, name)
    ]
    assert unknown == []
