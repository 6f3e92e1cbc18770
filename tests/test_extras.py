"""Every command that needs an optional library says so in one line, and what to install, before it does anything."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest

from model_store.bench_engines.candidates import CANDIDATES
from service.extras import BESIDE, EXTRAS
from tests.conftest import REPOSITORY
from tests.waiting import LIMIT_S

HIDING = """
import importlib.abc, sys
class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in {names!r} or name.startswith(tuple(n + "." for n in {names!r})):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
import runpy
sys.argv = {argv!r}
runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""
OUT = "never-written"
COMMANDS = {
    "testbed": [
        ("service", ["demo", "--live"]),
        ("deploy.testbed", ["run", "bookshop"]),
        ("deploy.testbed", ["live"]),
        ("deploy.testbed", ["record", "deploy/testbed/plans/all.toml", "--out", OUT]),
    ],
    "train": [
        ("model_store", ["train", "smoke", "--run", OUT]),
        ("model_store", ["ablate", "smoke", "--run", OUT]),
    ],
}
"""The commands that need the whole of an extra."""


def run_without(names: tuple[str, ...], module: str, arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    """Run a command in a process that has not these modules."""
    script = HIDING.format(names=names, module=module, argv=[module, *arguments])
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def needing() -> Iterator[tuple[str, str, list[str], str]]:
    """Each command with each module that it needs."""
    for extra, commands in COMMANDS.items():
        for module, arguments in commands:
            for name in EXTRAS[extra]:
                yield extra, module, arguments, name
    yield "train", "model_store", ["realism", "tests/cases", "--out", OUT], "matplotlib"


@pytest.mark.parametrize(("extra", "module", "arguments", "name"), list(needing()))
def test_a_command_without_its_library_says_what_to_install(
    extra: str, module: str, arguments: list[str], name: str
) -> None:
    ended = run_without((name,), module, arguments)
    (line,) = ended.stderr.splitlines()
    beside = f"{name} " if BESIDE.get(extra) == name else ""
    assert line.endswith(f" needs {name}: pip install {beside}'.[{extra}]'")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert not (REPOSITORY / OUT).exists()


ALL = tuple(chain.from_iterable(EXTRAS.values()))


def test_recordings_are_unpacked_without_what_a_shop_runs_on(tmp_path: Path) -> None:
    recorded = REPOSITORY / "tests" / "cases"
    packed = run_without(ALL, "deploy.testbed", ["pack", str(recorded), "--to", str(tmp_path / "few.tar.xz")])
    assert (packed.returncode, packed.stderr) == (0, "")
    unpacked = run_without(
        ALL, "deploy.testbed", ["unpack", str(tmp_path / "out"), "--archive", str(tmp_path / "few.tar.xz")]
    )
    assert (unpacked.returncode, unpacked.stderr) == (0, "")


def test_an_evaluation_without_its_extra_says_what_to_install() -> None:
    ended = run_without(ALL, "model_store", ["evaluate", "tests/cases", "--limit", "1", "--model", "none"])
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "pip install '.[evaluation]'" in ended.stdout


def test_our_rules_as_a_resource_need_yaml_and_say_so() -> None:
    ended = run_without(("yaml",), "deploy.prometheus_rule", [])
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "prometheus_rule needs yaml: pip install pyyaml\n"


def outside(directory: str) -> Iterator[str]:
    """The modules of other people that are imported below a directory, wherever in its files."""
    for file in (REPOSITORY / directory).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                yield node.module


def runtime() -> set[str]:
    """The top-level modules of what is installed for the service alone."""
    locked = {*re.findall(r"^([\w.-]+)==", (REPOSITORY / "requirements.lock").read_text(), re.MULTILINE)}
    names_of = packages_distributions()
    return {module for module in names_of if any(n.lower().replace("_", "-") in locked for n in names_of[module])}


def test_every_optional_import_is_of_an_extra_or_of_an_engine() -> None:
    known = {*sys.stdlib_module_names, "service", "model_store", "deploy", *runtime()}
    known.add("yaml")  # of deploy.prometheus_rule alone, see above
    engines = {name for each in CANDIDATES for name in (*each.packages, *each.to_prepare)}
    optional = (*ALL, *engines)
    for module in {name for directory in ("service", "model_store", "deploy") for name in outside(directory)}:
        of_extra = any(module == name or module.startswith(f"{name}.") for name in optional)
        top = module.partition(".")[0]
        assert of_extra or top in known, module
