import functools
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model_store.simulate import texts
from model_store.simulate.batch import simulate
from model_store.simulate.families import families
from model_store.simulate.faults import KINDS
from model_store.simulate.generate import SyntheticCase, generate
from service.domain.component import Component, ComponentKind
from service.domain.evidence import Signal
from service.domain.fault import Fault
from service.errors import CallerError
from service.evidence.metric_class import metric_class
from service.stores.case_tables import SCHEMAS, outside, within
from service.stores.recorded import RecordedCase
from tests.conftest import CaseFactory
from tests.patience import open_patiently

seeds = st.integers(0, 10_000)
family_names = st.sampled_from([family.name for family in families()])


@settings(deadline=None, max_examples=20)
@given(seeds, st.integers(1, 25), st.integers(0, 60), st.sampled_from([None, *KINDS]), family_names)
@example(seed=114, services=1, traces=0, fault=Fault.CPU, family="train")  # nobody asks, nothing is written
def test_any_case_keeps_the_format(seed: int, services: int, traces: int, fault: Fault | None, family: str) -> None:
    case = generate(seed, services=services, traces=traces, fault=fault, family=family)
    for name, table in case.tables.present().items():
        assert table.schema.equals(SCHEMAS[name])
        assert not any(column.null_count for column in table.columns)
    assert case.incident.system == "synthetic"
    assert len(causes(case)) in (1, 2)
    assert case.family == family


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
@given(seeds, st.sampled_from(KINDS))
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
@given(seeds, st.sampled_from(KINDS))
@example(23, Fault.CPU)  # its nodes are measured, and nothing tells what runs on them
def test_the_truth_names_a_component_of_the_system_and_the_kind_asked_for(seed: int, fault: Fault) -> None:
    case = generate(seed, services=8, traces=40, fault=fault)
    told = causes(case)[0]
    assert told["fault"] == fault.value
    graph = open_patiently(case.incident, case.telemetry).graph
    assert graph.knows(Component(ComponentKind(told["kind"]), told["name"]))


def causes(case: SyntheticCase) -> list[dict[str, str]]:
    return json.loads(json.dumps(case.truth))["causes"]


@functools.cache
def made(fault: Fault, *tables: str) -> tuple[SyntheticCase, ...]:
    """Cases of that fault that have all these tables."""
    cases = (generate(seed, services=8, traces=150, fault=fault) for seed in range(16))
    return tuple(case for case in cases if set(tables) <= case.tables.present().keys())


def now_and_before(case: SyntheticCase, name: str, of_service: bool = True) -> tuple[list[dict[str, object]], ...]:
    table: pa.Table = case.tables.present()[name]
    cause = causes(case)[0]
    now, before = within(table, case.incident.window), outside(table, case.incident.window)
    return tuple(
        [row for row in part.to_pylist() if not of_service or row["service"] == cause["name"]] for part in (now, before)
    )


def newly_said(case: SyntheticCase, said: tuple[str, ...]) -> bool:
    """Whether the struck service says one of these now and said none before."""
    heads = [text.partition("{}")[0] for text in said]
    now, before = ([str(row["body"]) for row in part] for part in now_and_before(case, "logs"))
    return any(head in body for head in heads for body in now) and not any(
        head in body for head in heads for body in before
    )


@pytest.mark.parametrize(
    ("fault", "way", "said"),
    [(Fault.ERROR, "exception", texts.EXCEPTIONS), (Fault.WRONG_RESULT, "empty", texts.EMPTY_RESULTS)],
)
def test_what_the_program_does_wrong_is_told_in_new_log_lines_at_the_service(
    fault: Fault, way: str, said: tuple[str, ...]
) -> None:
    cases = [case for case in made(fault, "logs") if causes(case)[0]["fault_source"].endswith(way)]
    told = [case for case in cases if newly_said(case, said)]
    assert len(told) >= 0.5 * len(cases) > 1


@pytest.mark.parametrize(
    ("fault", "measure"), [(Fault.CPU, "cpu"), (Fault.MEMORY, "memory"), (Fault.DISK, "disk"), (Fault.CRASH, "restart")]
)
def test_resource_faults_show_in_their_metric(fault: Fault, measure: str) -> None:
    cases = [case for case in made(fault, "metrics") if measure in measured(case)]
    shown = [case for case in cases if measure in risen(case)]
    assert len(shown) >= 0.5 * len(cases) > 1


def measured(case: SyntheticCase) -> set[str]:
    """Classes of the series that there are of the struck service."""
    rows = case.tables.present()["metrics"].group_by(["service", "metric", "unit"]).aggregate([]).to_pylist()
    return {metric_class(row["metric"], row["unit"]) for row in rows if row["service"] == causes(case)[0]["name"]}


def risen(case: SyntheticCase) -> set[str]:
    """Classes of the struck service's series that rose."""
    view = open_patiently(case.incident, case.telemetry)
    struck = Component(ComponentKind.SERVICE, causes(case)[0]["name"])
    rows = [row for row in view.of(struck, Signal.METRICS) if row.rising]
    return {metric_class(row.subject, row.unit) for row in rows}


@pytest.mark.parametrize("fault", [Fault.CONFIG, Fault.DEPLOY, Fault.CRASH])
def test_changes_mostly_tell_of_what_was_changed_or_restarted(fault: Fault) -> None:
    kinds = {Fault.CONFIG: "config", Fault.DEPLOY: "deploy", Fault.CRASH: "restart"}
    cases = made(fault, "changes")
    told = [
        case
        for case in cases
        if (kinds[fault], causes(case)[0]["name"])
        in {(row["kind"], row["service"]) for row in case.tables.present()["changes"].to_pylist()}
    ]
    assert len(told) >= 0.5 * len(cases) > 1


def test_overload_brings_more_requests() -> None:
    for case in made(Fault.OVERLOAD, "spans"):
        now, before = now_and_before(case, "spans", of_service=False)
        rates = [
            sum(row["parent_span_id"] == "" for row in rows) / window.length.total_seconds()
            for rows, window in ((now, case.incident.window), (before, case.incident.baselines[Signal.TRACES]))
        ]
        assert rates[0] > rates[1]


def test_a_held_out_family_breaks_things_in_ways_that_training_never_sees() -> None:
    def ways(family: str) -> set[str]:
        cases = (generate(seed, services=6, traces=20, fault=Fault.CPU, family=family) for seed in range(12))
        return {case["fault_source"] for made in cases for case in causes(made) if case["fault"] == "cpu"}

    assert ways("ways") == {"simulated cpu/quota"}
    assert not ways("ways") & ways("train")


def test_a_family_that_there_is_not_is_refused_in_one_line() -> None:
    with pytest.raises(CallerError, match=r"^family cousins: is none of train, chain, .+, nuisances, field$"):
        generate(1, family="cousins")


def test_a_batch_is_readable_and_repeatable(tmp_path: Path) -> None:
    simulate(tmp_path / "one", count=4, seed=3, services=5)
    simulate(tmp_path / "other", count=2, seed=3, services=5)
    made = sorted((tmp_path / "one").iterdir())
    assert len(made) == 4
    assert {path.name for path in (tmp_path / "other").iterdir()} < {path.name for path in made}
    assert all(RecordedCase.open(path).incident.system == "synthetic" for path in made)
