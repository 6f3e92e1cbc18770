"""What makes reality hard without being anybody's fault. Each is there by chance, in faulty and healthy incidents."""

from collections.abc import Callable

import numpy as np

from model_store.simulate import texts
from model_store.simulate.families import Family
from model_store.simulate.scene import Scene, Target
from model_store.simulate.system import LEAVES
from model_store.simulate.workload import Floats
from service.domain.fault import Fault

BY_CHANGE = frozenset({Fault.CONFIG, Fault.DEPLOY})
"""Kinds that only a change event tells from what came of it."""

TOLD_BY_REQUESTS = frozenset({Fault.ERROR, Fault.WRONG_RESULT, Fault.CONFIG, Fault.DEPLOY})
"""Kinds of which series alone say too little; so it may be with ways that training never sees."""


def disturb(scene: Scene, fault: Fault | None, onset_us: int, family: Family) -> None:
    """Adds nuisances by chance; those that training never sees only where they are asked for, and then one at least."""
    _weather(scene)
    for name, (chance, disturbance) in USUAL.items():
        if scene.rng.random() < chance:
            disturbance(scene, onset_us)
            scene.done.append(name)
    if family.unseen_nuisances:
        names = list(UNSEEN)
        for name in scene.rng.permutation(names)[: int(scene.rng.integers(1, len(names) + 1))]:
            UNSEEN[str(name)](scene, onset_us)
            scene.done.append(str(name))
    if family.field:
        for name, (chance, disturbance) in FIELD.items():
            if scene.rng.random() < chance:
                disturbance(scene, onset_us)
                scene.done.append(name)
    _lose_modalities(scene, fault, family)


def _weather(scene: Scene) -> None:
    """No two minutes are alike: nodes are busier or idler for a while, and pods are never quite as quick as before."""
    rng, system = scene.rng, scene.system
    gusts, shifts = scene.between(0.02, 0.8), scene.between(0.01, 0.2)
    now = np.exp(rng.normal(0, shifts, len(system.pod_names)))
    for played, length_us, moved in (
        (scene.before, scene.before_us, np.ones_like(now)),
        (scene.now, scene.window_us, now),
    ):
        bins = int(rng.integers(6, 14))
        gust = np.exp(np.abs(rng.normal(0, gusts, (len(system.nodes), bins))))
        of_pod = gust[np.array(system.pod_node)] * moved[:, None]
        for x in played:
            place = np.minimum((x.arrived_us * bins // max(int(length_us), 1)), bins - 1)
            factor = of_pod[x.pod, place[:, None]]
            x.self_us *= factor
            x.gap_us *= factor**2


def harmless_change(scene: Scene, onset_us: int) -> None:
    """A deployment or a configuration change that did nothing."""
    service = int(scene.rng.integers(len(scene.system.names)))
    kind = str(scene.rng.choice(["deploy", "config", "scale"]))
    at_us = onset_us - scene.between(1e6, 3e9)
    scene.change(at_us, service, kind, f"{kind} of {scene.system.names[service]}")


def metric_spikes(scene: Scene, onset_us: int) -> None:
    """Series jump for a while and nobody suffers."""
    gauges = scene.gauges
    for _ in range(1 + scene.rng.poisson(len(scene.system.pod_names) / 15)):
        pod = int(scene.rng.integers(len(scene.system.pod_names)))
        measure = str(scene.rng.choice(["cpu", "memory", "network", "disk", "disk", "loop"]))
        begin = float(scene.rng.choice(gauges.times_us))
        samples = int(scene.rng.integers(1, 6))
        spike = (gauges.times_us >= begin) & (np.cumsum(gauges.times_us >= begin) <= samples)
        factor = scene.between(1.1, 1.4) if measure == "memory" else scene.between(1.3, 6.0)
        gauges.values[measure][pod] *= np.where(spike, factor, 1.0)
        if measure == "disk":
            gauges.values[measure][pod] += np.where(spike, scene.between(0.1, 30), 0.0)


def chronic_errors(scene: Scene, onset_us: int) -> None:
    """Operations that fail a little, now as before, or only say so."""
    for _ in range(1 + scene.rng.poisson(0.7)):
        operation = int(scene.rng.integers(len(scene.system.operations)))
        share, fails = scene.between(0.005, 0.12), scene.rng.random() < 0.5
        text, severity = texts.one_of(scene.rng, texts.CHRONIC), str(scene.rng.choice(["ERROR", "WARN"]))
        for x in (*scene.now, *scene.before):
            asked = np.broadcast_to(x.journey.operations == operation, x.made.shape)
            broken = scene.sometimes(asked, share)
            x.fails |= broken & fails
            scene.say(x, broken, severity, text)


def dirty_baseline(scene: Scene, onset_us: int) -> None:
    """An earlier fault's tail at the baseline's beginning."""
    target = _anybody(scene)
    until_us = scene.before_us * float(scene.rng.uniform(0.1, 0.35))
    wait_us = scene.felt(0.5, 6.0)
    for x in scene.before:
        early = x.on_pods(target.pods, 0) & (x.arrived_us < until_us)[:, None]
        x.self_us += np.where(early, wait_us * scene.rng.uniform(0.5, 1.5, early.shape), 0.0)
    gauges = scene.gauges
    tail = gauges.times_us < gauges.times_us[0] + until_us
    gauges.values["cpu"][list(target.pods)] *= np.where(tail, scene.between(1.5, 6.0), 1.0)


def sampled_traces(scene: Scene, onset_us: int) -> None:
    """Spans are kept of some requests only; series count them all."""
    scene.traced = float(scene.rng.uniform(0.25, 0.8))


def busy_bystander(scene: Scene, onset_us: int) -> None:
    """A batch job: a pod uses much more processor or disk from about the onset on, and nobody waits for it."""
    pod = (int(scene.rng.integers(len(scene.system.pod_names))),)
    at_us = onset_us + scene.rng.normal(0, 1) * scene.window_us / 10
    measure = str(scene.rng.choice(["cpu", "disk", "network"]))
    scene.gauges.scale(measure, pod, scene.between(2, 12), float(at_us))


def slower_bystander(scene: Scene, onset_us: int) -> None:
    """A service takes a little longer than before, as it may."""
    target = _anybody(scene)
    for x in scene.now:
        x.self_us *= np.where(x.on_pods(target.pods, 0), float(scene.rng.uniform(1.15, 1.7)), 1.0)


def clock_skew(scene: Scene, onset_us: int) -> None:
    """The clocks of the nodes disagree."""
    nodes = len(scene.system.nodes)
    scene.skew_us = scene.rng.normal(0, scene.between(500, 50_000), nodes)


def untold_service(scene: Scene, onset_us: int) -> None:
    """A service that records no spans: nobody has instrumented it."""
    inner = [s for s, role in enumerate(scene.system.roles) if s > 0 and role not in LEAVES]
    if len(inner) > 2:
        scene.untold.add(int(scene.rng.choice(inner)))


def rolling_restart(scene: Scene, onset_us: int) -> None:
    """Pods of a service are replaced in turn, as planned; a few calls are refused meanwhile."""
    target = _anybody(scene)
    gauges = scene.gauges
    gauges.add("restarts", target.pods, 1.0, onset_us)
    for x in scene.now:
        x.refused |= scene.sometimes(x.on_pods(target.pods, onset_us), 0.02)
    scene.change(onset_us - scene.between(1e6, 3e7), target.service, "scale", "rolling restart")


def gaps_in_series(scene: Scene, onset_us: int) -> None:
    """Every third sample or so was never taken."""
    for series in scene.gauges.values.values():
        series[scene.rng.random(series.shape) < 0.3] = np.nan


def drifting_levels(scene: Scene, onset_us: int) -> None:
    """What operations take and what pods use moves slowly, each for itself, from the baseline to the window's end."""
    rng, spread = scene.rng, scene.between(0.05, 0.4)
    _drift(scene, rng.normal(0, spread, len(scene.system.operations)))
    for measure in ("cpu", "memory", "disk", "network"):
        moved = rng.normal(0, spread, (len(scene.system.pod_names), 1))
        scene.gauges.values[measure] *= np.exp(moved * _risen(scene, scene.gauges.times_us))


def grown_tables(scene: Scene, onset_us: int) -> None:
    """Stores hold more than they did: they answer ever later."""
    stores = np.array([scene.system.roles[op.service] in LEAVES for op in scene.system.operations])
    grown = stores & (scene.rng.random(len(stores)) < 0.6)
    _drift(scene, np.where(grown, scene.rng.uniform(0.2, 0.8, len(stores)), 0.0))


def _drift(scene: Scene, moved: Floats) -> None:
    """Moves the own time of each operation by so much (natural logarithm) until the window ends."""
    for played, offset_us in ((scene.before, scene.begin_us), (scene.now, 0.0)):
        for x in played:
            risen = _risen(scene, x.arrived_us.astype(np.float64) + offset_us)
            x.self_us *= np.exp(moved[x.journey.operations][None, :] * risen[:, None])


def _risen(scene: Scene, at_us: Floats) -> Floats:
    """How far a drift has come at each moment: 0 where the baseline begins, 1 where the window ends."""
    return np.clip((at_us - scene.begin_us) / (scene.window_us - scene.begin_us), 0, 1)


USUAL: dict[str, tuple[float, Callable[[Scene, int], None]]] = {
    "harmless change": (0.3, harmless_change),
    "metric spikes": (0.5, metric_spikes),
    "chronic errors": (0.45, chronic_errors),
    "dirty baseline": (0.12, dirty_baseline),
    "sampled traces": (0.12, sampled_traces),
    "busy bystander": (0.3, busy_bystander),
    "slower bystander": (0.3, slower_bystander),
    "clock skew": (0.1, clock_skew),
}
"""Disturbances by name, with their chance."""

UNSEEN: dict[str, Callable[[Scene, int], None]] = {
    "untold service": untold_service,
    "rolling restart": rolling_restart,
    "gaps in series": gaps_in_series,
}
"""Those that training never sees."""

FIELD: dict[str, tuple[float, Callable[[Scene, int], None]]] = {
    "drifting levels": (0.6, drifting_levels),
    "grown tables": (0.4, grown_tables),
}
"""Those of real installations, with their chance."""


def _anybody(scene: Scene) -> Target:
    service = int(scene.rng.integers(len(scene.system.names)))
    return Target(service, scene.system.pods[service], 0)


def _lose_modalities(scene: Scene, fault: Fault | None, family: Family) -> None:
    """Real systems rarely record everything; spans are lost only where series still tell."""
    chances = {"logs": 0.15, "metrics": 0.08, "topology": 0.2, "changes": 0.15, "spans": 0.1}
    scene.missing |= {name for name, chance in chances.items() if scene.rng.random() < chance}
    told = {"edge_latency", "latency_high"} <= scene.system.style.measures.keys()
    if "metrics" in scene.missing or not told or fault in TOLD_BY_REQUESTS or family.unseen_ways:
        scene.missing.discard("spans")
    if not scene.system.style.statuses and (fault in TOLD_BY_REQUESTS or family.unseen_ways):
        scene.missing.discard("logs")
    if fault in BY_CHANGE:
        scene.missing.discard("changes")
