"""The family that has what real installations have."""

import copy
import re
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from model_store.simulate.executions import Executions, play
from model_store.simulate.families import FIELD
from model_store.simulate.faults import FEWEST_HITS, choose_target, pod_visits
from model_store.simulate.faults import FIELD as WAYS
from model_store.simulate.generate import SyntheticCase, generate, set_the_scene
from model_store.simulate.nuisances import drifting_levels, grown_tables
from model_store.simulate.record import record
from model_store.simulate.releases import ALPHABET, with_versions
from model_store.simulate.scene import Scene, Target
from model_store.simulate.system import LEAVES, random_system
from model_store.simulate.times import Times, field_times
from model_store.simulate.ways import Strikes, Way
from service.domain.evidence import Signal
from service.domain.fault import Fault
from service.stores.case_tables import within
from tests.simulate.test_generate import causes

SEEDS = range(40)


def scene_of(seed: int, fault: Fault | None = None) -> tuple[Scene, Times]:
    """A system of the family, in which nothing has gone wrong yet."""
    rng = np.random.default_rng(seed)
    field_rng = rng.spawn(1)[0]
    system, times = with_versions(field_rng, random_system(rng, 10)), field_times(field_rng)
    return set_the_scene(rng, system, times, 500, fault, field_rng), times


def struck(fault: Fault, name: str) -> list[tuple[Scene, Times, Way, Target]]:
    """Scenes in which that way can strike, and where it is to strike."""
    way = next(way for way in WAYS[fault] if way.name == name)
    scenes = [(*scene_of(seed, fault), way) for seed in SEEDS]
    targets = [choose_target(scene, fault, way, times.onset_us, frozenset()) for scene, times, _ in scenes]
    return [(*scene, target) for scene, target in zip(scenes, targets, strict=True) if fits(scene[0], target, way)]


def fits(scene: Scene, target: Target, way: Way) -> bool:
    """Whether it is what the way is for, not what is struck where that is nowhere."""
    match way.strikes:
        case Strikes.OPERATION:
            return target.operation is not None
        case Strikes.REPLICA:
            return len(target.pods) == 1 < len(scene.system.pods[target.service])
        case Strikes.VERSION:
            return [target.pods] == [release.new for release in scene.releases[:1]]
        case _:
            return True


def changed(now: list[Executions], before: list[Executions]) -> list[tuple[Executions, np.ndarray]]:
    """Which executions (T, K) are not as they were."""
    names = ("self_us", "gap_us", "fails", "returns_after", "quiet", "unanswered", "refused", "limit_us")
    moved = [
        (x, np.logical_or.reduce([getattr(x, name) != getattr(was, name) for name in names]))
        for x, was in zip(now, before, strict=True)
    ]
    assert any(which.any() for _, which in moved)
    return moved


@pytest.mark.parametrize("fault", [Fault.SLOW, Fault.ERROR])
def test_a_fault_on_a_rare_path_touches_only_that_operation_and_little_of_all_requests(fault: Fault) -> None:
    cases = struck(fault, "rare")
    assert len(cases) > 5
    for scene, times, way, target in cases:
        before = copy.deepcopy(scene.now)
        way.strike(scene, target)
        for x, which in changed(scene.now, before):
            assert not which[:, x.journey.operations != scene.rare].any()
            assert not which[x.arrived_us < times.onset_us].any()
        met = sum(len(x.arrived_us) for x in scene.now if scene.rare in x.journey.operations)
        assert met < 0.2 * sum(len(x.arrived_us) for x in scene.now)


@pytest.mark.parametrize("fault", [Fault.SLOW, Fault.ERROR, Fault.CPU])
def test_one_replica_is_sick_and_its_siblings_are_not(fault: Fault) -> None:
    cases = struck(fault, "replica")
    assert len(cases) > 10
    for scene, times, way, target in cases:
        assert pod_visits(scene.now, times.onset_us, len(scene.system.pod_names))[target.pods[0]] >= FEWEST_HITS
        before = copy.deepcopy(scene.now)
        way.strike(scene, target)
        for x, which in changed(scene.now, before):
            its = x.pod == target.pods[0]
            touched = which & ~its & ~x.made_by(its)  # a program of one thread reads what it called late as well
            assert not touched.any()


def test_lost_statements_are_the_only_sign() -> None:
    fewer = 0
    for scene, times, way, target in struck(Fault.WRONG_RESULT, "lost"):
        for x in (*scene.now, *scene.before):
            assert not x.fails.any()
        healthy = [play(x) for x in scene.now]
        before = copy.deepcopy(scene.now)
        way.strike(scene, target)
        for x, was, timeline in zip(scene.now, before, healthy, strict=True):
            after = play(x)
            assert not (after.failed & ~timeline.failed).any()
            assert not (after.lost & ~timeline.lost).any()
            assert not (after.made & ~timeline.made & (x.journey.again_of < 0)).any()
            assert x.lines == was.lines
            assert not (x.quiet & (x.services() != target.service)[None, :]).any()
        tables = record(scene, times)
        assert tables.logs is not None
        assert any(x.quiet.any() for x in scene.now)
        fewer += statements(tables.logs, scene, times, target) > 1.3
    assert fewer > 5


def statements(logs: pa.Table, scene: Scene, times: Times, target: Target) -> float:
    """How many times as many lines a second the service wrote before the onset as after it."""
    onset = times.window(times.onset_us, times.window_us - times.onset_us)
    earlier = times.window(0, times.onset_us - 1)
    name = scene.system.names[target.service]
    early, late = (
        sum(row["service"] == name for row in within(logs, part).to_pylist()) / part.length.total_seconds()
        for part in (earlier, onset)
    )
    return early / max(late, 1e-9)


def released(fault: Fault | None = None) -> list[tuple[SyntheticCase, set[str]]]:
    """Cases with the names of the services of which new versions came."""
    made = (generate(seed, services=8, traces=200, fault=fault, family=FIELD.name) for seed in SEEDS)
    named = [(case, set(re.findall(r"release of ([^,;]+)", str(case.truth["detail"])))) for case in made]
    return [(case, services) for case, services in named if services]


def pods_of(table: pa.Table, service: str) -> set[str]:
    """Those of which there is a row."""
    column = "component" if "component" in table.column_names else "pod"
    rows = table.group_by([column, "service"]).aggregate([]).to_pylist()
    return {row[column] for row in rows if row["service"] == service and row[column] != service}


@pytest.mark.parametrize("fault", [None, Fault.DEPLOY, Fault.CPU])
def test_pods_of_a_new_version_have_no_row_in_the_baseline(fault: Fault | None) -> None:
    came = stayed = 0
    for case, services in released(fault):
        tables = case.tables.present()
        for name, signal in (("spans", Signal.TRACES), ("logs", Signal.LOGS), ("metrics", Signal.METRICS)):
            if name not in tables:
                continue
            for service in services:
                now = pods_of(within(tables[name], case.incident.window), service)
                before = pods_of(within(tables[name], case.incident.baselines[signal]), service)
                assert len({version_of(pod, service) for pod in before}) < 2
                new = {pod for pod in now if version_of(pod, service) not in {version_of(p, service) for p in before}}
                assert not new & before
                came += bool(before and new)
                stayed += bool(new and now & before)
                assert len({version_of(pod, service) for pod in new}) < 2 or not before
    assert came > 10
    assert stayed > 5


def version_of(pod: str, service: str) -> str:
    """The hash that all pods of a version share."""
    match = re.fullmatch(rf"{service}-([{ALPHABET}]{{9}})-[{ALPHABET}]{{5}}", pod)
    assert match, pod
    return match[1]


def test_a_bad_release_is_announced_and_its_service_is_the_cause() -> None:
    bad = [
        (case, services)
        for case, services in released(Fault.DEPLOY)
        if causes(case)[0]["fault_source"].endswith("pods")
    ]
    assert len(bad) > 20
    assert any(len(services) > 1 for _, services in bad)
    for case, services in bad:
        cause = causes(case)[0]
        assert (cause["kind"], cause["fault"]) == ("service", "deploy")
        assert cause["name"] in services
        announced = [row for row in case.tables.present()["changes"].to_pylist() if row["kind"] == "deploy"]
        assert services <= {row["service"] for row in announced if " replaced " in row["summary"]}


def test_a_release_that_is_good_is_not_where_another_service_breaks() -> None:
    cases = released(Fault.LOCK)
    both = [bool({cause["name"] for cause in causes(case)} & services) for case, services in cases]
    assert len(both) > 10
    assert np.mean(both) < 0.1  # there are small systems in which nothing else can break


def test_some_old_pods_stay_mostly_and_all_that_come_serve_within_the_window() -> None:
    made = [scene for scene, _ in (scene_of(seed) for seed in SEEDS) if scene.releases]
    stayed: list[bool] = []
    for scene in made:
        for release in scene.releases:
            its = set(scene.system.pods[release.service])
            assert set(release.new) <= its
            assert not its & set(release.old)
            assert 0 < release.since_us[0] <= release.since_us[-1] < scene.window_us
            stayed.append(its > set(release.new))
    assert 0.5 < np.mean(stayed) < 1


def test_pods_of_a_service_use_about_as_much_as_each_other() -> None:
    apart: list[float] = []
    for seed in SEEDS:
        scene, _ = scene_of(seed)
        usual = np.log(np.median(scene.gauges.values["memory"], axis=1))
        owner = np.array(scene.system.pod_service)
        apart += [float(np.ptp(usual[owner == s])) for s in range(len(scene.system.names)) if (owner == s).sum() > 1]
    assert 0.05 < np.median(apart) < 0.4


def test_pods_of_the_new_version_alone_fail() -> None:
    cases = struck(Fault.DEPLOY, "failing pods")
    assert len(cases) > 20
    for scene, times, way, target in cases:
        release = scene.releases[0]
        way.strike(scene, target)
        assert release.since_us[0] == times.onset_us
        for x in scene.now:
            assert not (x.fails & ~np.isin(x.pod, release.new)).any()
            assert not (np.isin(x.pod, release.new) & (x.arrived_us < times.onset_us)[:, None]).any()
        assert not any(np.isin(x.pod, release.new).any() for x in scene.before)
        assert any(x.fails.any() for x in scene.now)


def test_levels_drift_without_any_fault() -> None:
    for seed in range(5):
        scene, _ = scene_of(seed)
        before, now = copy.deepcopy((scene.before, scene.now))
        cpu = scene.gauges.values["cpu"].copy()
        drifting_levels(scene, 0)
        moved: dict[int, float] = {}
        for x, was in zip((*scene.before, *scene.now), (*before, *now), strict=True):
            if len(x.arrived_us) > 1:
                factor = np.log(x.self_us / was.self_us)
                assert (np.abs(factor[0]) <= np.abs(factor[-1])).all()  # slowly, and never back
                moved |= dict(zip(x.journey.operations.tolist(), factor[-1].tolist(), strict=True))
        assert np.std(list(moved.values())) > 0.02
        drift = np.log(scene.gauges.values["cpu"] / cpu)
        assert (np.abs(drift[:, 0]) <= np.abs(drift[:, -1])).all()
        assert drift[:, -1].std() > 0.02


def test_only_stores_grow_and_they_get_slower() -> None:
    slower = 0
    for seed in range(10):
        scene, _ = scene_of(seed)
        now = copy.deepcopy(scene.now)
        grown_tables(scene, 0)
        for x, was in zip(scene.now, now, strict=True):
            stores = np.array([scene.system.roles[s] in LEAVES for s in x.services()])
            assert (x.self_us >= was.self_us).all()
            assert (x.self_us == was.self_us)[:, ~stores].all()
            slower += bool((x.self_us > was.self_us).any())
    assert slower


def test_nothing_is_wrong_in_a_healthy_case_that_drifts() -> None:
    made = [generate(seed, services=6, traces=60, healthy=True, family=FIELD.name) for seed in SEEDS]
    assert any("drifting levels" in str(case.truth["detail"]) for case in made)
    assert any("release of" in str(case.truth["detail"]) for case in made)
    assert not any(causes(case) for case in made)


def test_baselines_lie_close_or_hours_away_or_last_a_minute_and_series_are_fine_or_coarse() -> None:
    drawn = [field_times(np.random.default_rng(seed)) for seed in range(200)]
    minute = [t for t in drawn if "baseline of one minute" in t.conditions()]
    hours = [t for t in drawn if "baseline hours before" in t.conditions()]
    assert {t.step_us // 1_000_000 for t in drawn} == {1, 5, 15, 60, 300}
    assert min(len(minute), len(hours), len(drawn) - len(minute) - len(hours)) > 30
    for times in drawn:
        baseline, window = times.window(times.before_us, times.before_length_us), times.window(0, times.window_us)
        assert baseline.end < window.start
        assert 0 < times.onset_us < times.alert_us < times.window_us
        assert times.metrics_before_us + times.metrics_length_us == times.before_us + times.before_length_us
        assert (baseline.length == timedelta(minutes=1)) == (times in minute)
        assert times not in hours or window.start - baseline.end >= timedelta(hours=1)
        samples = times.samples(np.random.default_rng(1))
        assert np.diff(samples[samples >= 0]) == pytest.approx(times.step_us)
        assert len(samples[samples < 0]) > 3
        assert times.step_us < 300_000_000 or len(samples[samples >= 0]) <= 12


def test_a_case_has_the_one_minute_that_its_times_say() -> None:
    made = [generate(seed, services=5, traces=60, family=FIELD.name) for seed in SEEDS]
    short = [case for case in made if "baseline of one minute" in str(case.truth["detail"])]
    assert len(short) > 3
    for case in short:
        assert {window.length for window in case.incident.baselines.values()} == {timedelta(minutes=1)}


def test_the_mix_moves_further_than_elsewhere() -> None:
    def moved(scene: Scene) -> float:
        before, now = (np.array([len(x.arrived_us) for x in played]) + 1 for played in (scene.before, scene.now))
        return float(np.abs(np.log((before / before.sum()) / (now / now.sum()))).mean())

    def usual(seed: int) -> Scene:
        rng = np.random.default_rng(seed)
        return set_the_scene(rng, random_system(rng, 10), field_times(rng), 500, None)

    assert np.mean([moved(scene_of(seed)[0]) for seed in SEEDS]) > 1.3 * np.mean([moved(usual(s)) for s in SEEDS])
