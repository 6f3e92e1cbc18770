import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model_store.simulate.batch import simulate
from model_store.simulate.faults import EFFECTS
from model_store.simulate.generate import SyntheticCase, generate
from service.domain.evidence import Signal
from service.domain.fault import Fault
from service.errors import CallerError
from service.stores.case_tables import SCHEMAS, outside, within
from service.stores.recorded import RecordedCase
from tests.conftest import CaseFactory

seeds = st.integers(0, 10_000)


@settings(deadline=None, max_examples=20)
@given(seeds, st.integers(1, 25), st.integers(0, 60), st.sampled_from([None, *EFFECTS]))
@example(seed=114, services=1, traces=0, fault=Fault.CPU)  # nobody asks, nothing is written
def test_any_case_keeps_the_format(seed: int, services: int, traces: int, fault: Fault | None) -> None:
    case = generate(seed, services=services, traces=traces, fault=fault)
    for name, table in case.tables.present().items():
        assert table.schema.equals(SCHEMAS[name])
        assert not any(column.null_count for column in table.columns)
    assert case.incident.system == "synthetic"
    assert len(causes(case)) == 1


@settings(deadline=None, max_examples=10)
@given(seeds)
def test_the_same_seed_gives_the_same_case(seed: int) -> None:
    one, other = (generate(seed, services=6, traces=30) for _ in range(2))
    assert one.tables.present() == other.tables.present()
    assert (one.incident, one.alert_body, one.truth) == (other.incident, other.alert_body, other.truth)


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        generate(5, services=6, traces=30).write(tmp_path / name)
    files = [path.name for path in (tmp_path / "one").iterdir()]
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "other" / f).read_bytes() for f in files)


def test_what_nobody_can_simulate_is_refused_in_one_line() -> None:
    with pytest.raises(CallerError, match=r"^fault unknown: cannot be simulated; there are config, cpu, .+$"):
        generate(1, fault=Fault.UNKNOWN)


def test_another_seed_gives_another_case() -> None:
    one, other = (generate(seed, services=6, traces=30) for seed in (1, 2))
    assert one.tables.metrics is not None
    assert one.tables.metrics != other.tables.metrics


@settings(deadline=None, max_examples=10)
@given(seeds, st.sampled_from(list(EFFECTS)))
def test_everything_lies_in_the_window_its_baseline_or_just_after(seed: int, fault: Fault) -> None:
    case = generate(seed, services=6, traces=30, fault=fault)
    baselines = case.incident.baselines
    for name, signal in (("spans", Signal.TRACES), ("metrics", Signal.METRICS)):
        if (table := case.tables.present().get(name)) is not None:
            rest = outside(outside(table, case.incident.window), baselines[signal])
            assert rest.num_rows <= 0.1 * table.num_rows
    assert not case.incident.window.overlaps(baselines[Signal.TRACES])


def test_nothing_is_wrong_in_a_healthy_case(synthetic_case: CaseFactory) -> None:
    case = synthetic_case(4, healthy=True)
    assert case.truth["causes"] == []
    assert case.truth["injected_at"] is None
    assert case.incident.alerts


@settings(deadline=None, max_examples=20)
@given(seeds, st.sampled_from(list(EFFECTS)))
def test_the_truth_names_a_service_of_the_system_and_the_kind_asked_for(seed: int, fault: Fault) -> None:
    case = generate(seed, services=8, traces=40, fault=fault)
    (cause,) = causes(case)
    assert cause["kind"] == "service"
    assert cause["fault"] == fault.value
    metrics = case.tables.metrics
    if metrics is not None:
        assert cause["name"] in metrics.column("service").to_pylist()


def causes(case: SyntheticCase) -> list[dict[str, str]]:
    return json.loads(json.dumps(case.truth))["causes"]


def complete(fault: Fault, *tables: str) -> SyntheticCase:
    """The first case of that fault that has all these tables."""
    made = (generate(seed, services=8, traces=150, fault=fault) for seed in range(40))
    return next(case for case in made if set(tables) <= case.tables.present().keys())


def now_and_before(case: SyntheticCase, name: str, of_service: bool = True) -> tuple[list[dict[str, object]], ...]:
    table: pa.Table = case.tables.present()[name]
    (cause,) = causes(case)
    now, before = within(table, case.incident.window), outside(table, case.incident.window)
    return tuple(
        [row for row in part.to_pylist() if not of_service or row["service"] == cause["name"]] for part in (now, before)
    )


def test_errors_are_told_in_new_log_lines_at_the_service() -> None:
    now, before = now_and_before(complete(Fault.ERROR, "logs"), "logs")
    assert any("unexpected exception" in str(row["body"]) for row in now)
    assert not any("unexpected exception" in str(row["body"]) for row in before)


def test_a_wrong_result_shows_in_logs_and_in_no_status() -> None:
    case = complete(Fault.WRONG_RESULT, "logs")
    now, before = now_and_before(case, "logs")
    assert any("empty result" in str(row["body"]) for row in now)
    assert not any("empty result" in str(row["body"]) for row in before)


@pytest.mark.parametrize(
    ("fault", "word"), [(Fault.CPU, "cpu"), (Fault.MEMORY, "mem"), (Fault.DISK, "disk|filesystem")]
)
def test_resource_faults_show_in_their_metric(fault: Fault, word: str) -> None:
    case = complete(fault, "metrics")
    now, before = now_and_before(case, "metrics")
    (cause,) = causes(case)
    struck = [
        [float(str(row["value"])) for row in rows if any(w in str(row["metric"]) for w in word.split("|"))]
        for rows in (
            [row for row in part if row["component"] == cause.get("pod", row["component"])] for part in (now, before)
        )
    ]
    assert max(struck[0]) > 1.4 * sorted(struck[1])[len(struck[1]) // 2]


@pytest.mark.parametrize("fault", [Fault.CONFIG, Fault.DEPLOY, Fault.CRASH])
def test_changes_tell_of_what_was_changed_or_restarted(fault: Fault) -> None:
    now, _ = now_and_before(complete(fault, "changes"), "changes")
    kinds = {Fault.CONFIG: "config", Fault.DEPLOY: "deploy", Fault.CRASH: "restart"}
    assert kinds[fault] in {row["kind"] for row in now}


def test_overload_brings_more_requests() -> None:
    case = complete(Fault.OVERLOAD, "spans")
    now, before = now_and_before(case, "spans", of_service=False)
    rates = [
        sum(row["parent_span_id"] == "" for row in rows) / window.length.total_seconds()
        for rows, window in ((now, case.incident.window), (before, case.incident.baselines[Signal.TRACES]))
    ]
    assert rates[0] > 1.2 * rates[1]


def test_a_batch_is_readable_and_repeatable(tmp_path: Path) -> None:
    simulate(tmp_path / "one", count=4, seed=3, services=5)
    simulate(tmp_path / "other", count=2, seed=3, services=5)
    made = sorted((tmp_path / "one").iterdir())
    assert len(made) == 4
    assert {path.name for path in (tmp_path / "other").iterdir()} < {path.name for path in made}
    assert all(RecordedCase.open(path).incident.system == "synthetic" for path in made)
