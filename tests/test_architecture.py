"""The rules of the house, as tests: what may know what, and what may not be written anywhere."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SERVICE = sorted((REPOSITORY / "service").rglob("*.py"))
SOURCES = [*SERVICE, *sorted((REPOSITORY / "model_store").rglob("*.py"))]
TESTS = sorted((REPOSITORY / "tests").rglob("*.py"))

LONGEST_FILE = 350
BROAD = {"Exception", "BaseException"}
RECORDED_SYSTEMS = re.compile(
    r"train.?ticket|online.?boutique|petshop|nezha|hipster|\bts-[a-z]+-service", re.IGNORECASE
)
OF_ONE_MACHINE = re.compile(r"/root/|/home/|/work/|/opt/|/tmp/[a-z]|(pypi|pythonhosted|npmjs|debian)\.(org|com|net)")


def imports(path: Path) -> set[str]:
    """Modules that a file imports, absolute names."""
    tree = ast.parse(path.read_text())
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return named | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def broad_excepts(path: Path) -> list[str]:
    """Handlers that would catch anything."""
    caught = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ExceptHandler)]
    names = [(h, {n.id for n in ast.walk(h.type) if isinstance(n, ast.Name)} if h.type else BROAD) for h in caught]
    return [f"{path.relative_to(REPOSITORY)}:{handler.lineno}" for handler, seen in names if seen & BROAD]


def tracked() -> list[Path]:
    """Text files under version control, where there is any."""
    command = ["git", "-C", str(REPOSITORY), "ls-files", "-z"]
    try:
        listed = subprocess.run(command, capture_output=True, timeout=30, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git work tree: nothing tells which files are tracked")
    files = [REPOSITORY / name for name in listed.split("\0") if name]
    return [file for file in files if file.is_file() and b"\0" not in file.read_bytes()[:8000]]


def test_the_import_contracts_are_kept() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    ended = subprocess.run(
        [str(linter), "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == 0, ended.stdout


def test_the_domain_needs_only_the_standard_library() -> None:
    domain = (REPOSITORY / "service" / "domain").glob("*.py")
    foreign = {name for path in domain for name in imports(path) if name.split(".")[0] not in sys.stdlib_module_names}
    assert {name for name in foreign if not name.startswith(("service.domain", "service.errors"))} == set()


def test_the_online_service_has_exactly_one_broad_except() -> None:
    found = [place for path in SERVICE for place in broad_excepts(path)]
    assert len(found) == 1, found


def test_no_recorded_system_is_known_by_name() -> None:
    named = [f"{p.relative_to(REPOSITORY)}: {m[0]}" for p in SOURCES for m in RECORDED_SYSTEMS.finditer(p.read_text())]
    assert named == []


def test_only_evaluation_and_training_open_the_truth() -> None:
    """The online service writes truth.json (an operator's verdict makes a labelled case) and never reads it."""
    readers = [path for path in SERVICE if re.search(r"truth\.json\W+\)?\.?(read|open)", path.read_text())]
    assert readers == []


def test_no_file_is_longer_than_it_can_be_read() -> None:
    lengths = {str(p.relative_to(REPOSITORY)): len(p.read_text().splitlines()) for p in (*SOURCES, *TESTS)}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_fakes_stand_in_never_mocks() -> None:
    assert [str(p) for p in (*SOURCES, *TESTS) if any(n.startswith("unittest") for n in imports(p))] == []


def test_no_tracked_file_knows_a_machine_or_a_registry() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}: {match[0]}"
        for path in tracked()
        if path != Path(__file__)
        for match in OF_ONE_MACHINE.finditer(path.read_text(errors="replace"))
    ]
    assert found == []
