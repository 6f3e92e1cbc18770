"""The rules of the house, as tests: what may know what, and what may not be written anywhere."""

import ast
import re
import subprocess
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

import pytest

from tests.source_rules import (
    Rule,
    clocks_at_import,
    measured_times,
    parsed,
    shared_state,
    sleeps,
    tree_of,
    unheld_ports,
)
from tests.waiting import LIMIT_S

REPOSITORY = Path(__file__).resolve().parent.parent
SERVICE = sorted((REPOSITORY / "service").rglob("*.py"))
SOURCES = [*SERVICE, *sorted((REPOSITORY / "model_store").rglob("*.py"))]
TESTS = sorted((REPOSITORY / "tests").rglob("*.py"))
EVERYWHERE = [*SOURCES, *sorted((REPOSITORY / "deploy").rglob("*.py")), *TESTS]

LONGEST_FILE = 350
BROAD = {"Exception", "BaseException"}
RECORDED_SYSTEMS = re.compile(
    r"train.?ticket|online.?boutique|petshop|nezha|hipster|\bts-[a-z]+-service", re.IGNORECASE
)
OF_ONE_MACHINE = re.compile(r"/root/|/home/|/work/|/opt/|/tmp/[a-z]|(pypi|pythonhosted|npmjs|debian)\.(org|com|net)")


def imports(path: Path) -> set[str]:
    """Modules that a file imports, absolute names."""
    tree = parsed(path)
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return named | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def broad_excepts(path: Path) -> list[str]:
    """Handlers that would catch anything."""
    caught = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.ExceptHandler)]
    names = [(h, {n.id for n in ast.walk(h.type) if isinstance(n, ast.Name)} if h.type else BROAD) for h in caught]
    return [f"{path.relative_to(REPOSITORY)}:{handler.lineno}" for handler, seen in names if seen & BROAD]


def tracked() -> list[Path]:
    """Text files under version control, where there is any."""
    command = ["git", "-C", str(REPOSITORY), "ls-files", "-z"]
    try:
        listed = subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git work tree: nothing tells which files are tracked")
    files = [REPOSITORY / name for name in listed.split("\0") if name]
    return [file for file in files if file.is_file() and b"\0" not in file.read_bytes()[:8000]]


def test_the_import_contracts_are_kept() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    ended = subprocess.run(
        [str(linter), "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, timeout=LIMIT_S, check=False
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


# -- The suite says nothing about the machine: it passes beside busy processes, in any order.

MAY_SLEEP = {
    "tests/waiting.py": "it is what everybody else waits with",
    "tests/leftovers.py": "it gives what was ended the time to be gone, with a limit",
    "tests/drills/drill.py": "a drill kills at moments that its seed chooses; nothing hangs on how long they are",
}
MAY_MEASURE = {
    "tests/waiting.py": "its limit is only there so that nothing hangs",
    "tests/leftovers.py": "likewise",
    "tests/stress.py": "it prints how long the suite took",
    "tests/random_examples.py": "it begins rounds for as long as it is told",
    "tests/drills/drill.py": "it prints when somebody was killed",
    "tests/vllm/serving.py": "it prints how long vLLM took to start",
    "tests/vllm/test_moves.py": "it prints how long an incident took",
}
MAY_SHARE = {
    "tests/leftovers.py": "it keeps what fixtures of a wider scope have started",
}


def broken(rule: Rule, paths: Iterable[Path], but_for: Collection[str] = ()) -> list[str]:
    """Where files break a rule."""
    names = {path: path.relative_to(REPOSITORY).as_posix() for path in paths}
    return [f"{name}:{line}" for path, name in names.items() if name not in but_for for line in rule(parsed(path))]


def test_no_clock_is_read_at_import() -> None:
    assert broken(clocks_at_import, EVERYWHERE) == []


def test_tests_wait_for_something_not_for_some_time() -> None:
    assert broken(sleeps, TESTS, MAY_SLEEP) == []


def test_tests_do_not_measure_time() -> None:
    assert broken(measured_times, TESTS, MAY_MEASURE) == []


def test_tests_share_nothing_that_one_of_them_writes() -> None:
    assert broken(shared_state, TESTS, MAY_SHARE) == []


def test_ports_are_held_not_found() -> None:
    assert broken(unheld_ports, EVERYWHERE) == []


@pytest.mark.parametrize(
    ("allowed", "rule"), [(MAY_SLEEP, sleeps), (MAY_MEASURE, measured_times), (MAY_SHARE, shared_state)]
)
def test_no_file_is_excused_that_keeps_a_rule(allowed: dict[str, str], rule: Rule) -> None:
    assert [name for name in allowed if not list(rule(parsed(REPOSITORY / name)))] == []


GOOD: list[tuple[Rule, str]] = [
    (clocks_at_import, "def f():\n    return datetime.now(UTC)"),
    (clocks_at_import, "clock = lambda: time.monotonic()"),
    (clocks_at_import, "class A:\n    clock: Callable = time.monotonic\n    at: float = field(default_factory=now)"),
    (clocks_at_import, "if __name__ == '__main__':\n    began = time.time()"),
    (clocks_at_import, "BOMB = gzip.compress(b'x', mtime=0)"),
    (sleeps, "await asyncio.sleep(0)"),
    (sleeps, "time.sleep(3600)"),
    (measured_times, "now = datetime.now(UTC)\nassert claim(now - timedelta(days=1)) is None"),
    (measured_times, "assert backend.clock_ahead_s > 3600"),
    (shared_state, "FAULTS = {'a': 1}\ndef f():\n    found = dict(FAULTS)\n    found['b'] = 2"),
    (shared_state, "seen = []\ndef f(seen):\n    seen.append(1)"),
    (shared_state, "def f():\n    seen = []\n    def g():\n        seen.append(1)"),
    (unheld_ports, "with held_ports(1) as (port,):\n    pass"),
]
BAD: list[tuple[Rule, str]] = [
    (clocks_at_import, "NOW = datetime.now(UTC)"),
    (clocks_at_import, "BOMB = gzip.compress(b'x')"),
    (clocks_at_import, "from datetime import date\nclass A:\n    day = date.today()"),
    (clocks_at_import, "def f(now=datetime.utcnow()): ..."),
    (clocks_at_import, "def f(*, began=time.monotonic()): ..."),
    (clocks_at_import, "@pytest.mark.parametrize('at', [time.time()])\ndef test(at): ..."),
    (
        clocks_at_import,
        "def now():\n    return perf_counter()\ndef news():\n    return now()\nNEWS = replace(news(), a=1)",
    ),
    (clocks_at_import, "CASES = [datetime.now(UTC) for _ in range(3)]"),
    (sleeps, "await asyncio.sleep(0.01)"),
    (sleeps, "time.sleep(delay_s)"),
    (sleeps, "from time import sleep\nsleep(60)"),
    (measured_times, "began = time.monotonic()"),
    (measured_times, "from time import perf_counter"),
    (measured_times, "took_s = asyncio.get_running_loop().time() - began"),
    (measured_times, "assert datetime.now(UTC) - began < timedelta(seconds=5)"),
    (shared_state, "count = 0\ndef f():\n    global count\n    count += 1"),
    (shared_state, "SEEN = []\ndef f():\n    SEEN.append(1)"),
    (shared_state, "CASE = load()\ndef f():\n    CASE['alerts'][0]['labels'] = {}"),
    (shared_state, "import service.worker\ndef f():\n    service.worker.IDLE_S = 0"),
    (shared_state, "MODEL = Model()\nclass A:\n    def f(self):\n        del MODEL.asked"),
    (unheld_ports, "def free_port():\n    return 1"),
    (unheld_ports, "from deploy.testbed.processes import free_ports"),
    (unheld_ports, "port = processes.free_port()"),
]


@pytest.mark.parametrize(("rule", "source"), GOOD)
def test_a_rule_lets_good_sources_pass(rule: Rule, source: str) -> None:
    assert list(rule(tree_of(source))) == []


@pytest.mark.parametrize(("rule", "source"), BAD)
def test_a_rule_finds_bad_sources(rule: Rule, source: str) -> None:
    assert len(set(rule(tree_of(source)))) == 1
