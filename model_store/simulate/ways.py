"""The ways in which each kind of fault comes about, and what it strikes."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from model_store.simulate import texts
from model_store.simulate.executions import Bools, Executions, play
from model_store.simulate.impairments import (
    burns,
    fills_node,
    fills_pool,
    late_packets,
    lost_packets,
    occupied,
    returns_early,
    stalls,
    throws,
    waits,
    works_longer,
)
from model_store.simulate.scene import Scene, Target
from model_store.simulate.system import LEAVES


class Strikes(StrEnum):
    """What a fault strikes."""

    SERVICE = "service"  # all its pods: it is in the program, its data or its load
    PODS = "pods"  # one of its pods, or all of them
    REPLICA = "replica"  # one of its pods while the others are well
    VERSION = "version"  # the pods of a new version
    OPERATION = "operation"  # one operation, which few requests come to
    NODE = "node"
    EDGE = "edge"


@dataclass(frozen=True, slots=True)
class Way:
    """One mechanism of a kind of fault. ``weight`` is how often it is taken among the ways of its kind."""

    name: str
    strike: Callable[[Scene, Target], None]
    strikes: Strikes = Strikes.SERVICE
    weight: float = 1.0


def cpu_burn(scene: Scene, target: Target) -> None:
    """Something burns the pod's processor."""
    occupied(scene, target, scene.between(2.0, 10.0), scene.felt(0.3, 6.0))
    burns(scene, target, scene.between(150, 1500))


def cpu_neighbour(scene: Scene, target: Target) -> None:
    """Something else burns the node's processors: everybody there works longer."""
    works_longer(scene, target, scene.between(1.5, 6.0))
    stalls(scene, target, scene.felt(0.1, 1.5))
    fills_node(scene, target)


def cpu_quota(scene: Scene, target: Target) -> None:
    """The pod gets less processor time than it needs: slower, though it uses no more than before."""
    occupied(scene, target, scene.between(3.0, 10.0), scene.felt(0.5, 6.0))
    scene.gauges.scale("cpu", target.pods, float(scene.rng.uniform(0.6, 1.0)), target.onset_us)


def memory_leak(scene: Scene, target: Target) -> None:
    """Memory climbs, and ever more time goes into collecting it."""
    ramp_us = scene.window_us * float(scene.rng.uniform(0.05, 0.5))
    scene.gauges.scale("memory", target.pods, float(scene.rng.uniform(1.5, 5.0)), target.onset_us, ramp_us)
    if scene.system.one_thread[target.service]:
        stalls(scene, target, scene.felt(0.5, 6.0))
    waits(scene, target, scene.felt(1.0, 8.0), float(scene.rng.uniform(0.2, 0.8)))
    scene.gauges.add("cpu", target.pods, scene.between(20, 800), target.onset_us)


def memory_killed(scene: Scene, target: Target) -> None:
    """The pod outgrows its limit, is killed, and comes back, again and again."""
    scene.gauges.scale("memory", target.pods, float(scene.rng.uniform(1.5, 3.0)), target.onset_us)
    waits(scene, target, scene.felt(1.0, 4.0), 0.4)
    _comes_and_goes(scene, target, float(scene.rng.uniform(0.2, 0.5)))


def disk_pressure(scene: Scene, target: Target) -> None:
    """Writes wait for the disk; so does, in a program of one thread, everything else."""
    wait_us = scene.felt(1.0, 8.0)
    if scene.system.one_thread[target.service]:
        stalls(scene, target, wait_us)
    waits(scene, target, wait_us, float(scene.rng.uniform(0.3, 1.0)))
    scene.gauges.add("disk", target.pods, scene.between(500, 400_000), target.onset_us)
    scene.gauges.add("cpu", target.pods, scene.between(5, 300), target.onset_us)
    scene.gauges.scale("node_disk", _nodes(scene, target), scene.between(2, 200), target.onset_us)
    if scene.rng.random() < 0.5:
        _say(scene, target, 0.15, "WARN", texts.one_of(scene.rng, texts.SLOW_WRITES))


def disk_neighbour(scene: Scene, target: Target) -> None:
    """Somebody else on the node hammers its disk."""
    waits(scene, target, scene.felt(0.3, 2.0), 0.7)
    assert target.node is not None
    scene.gauges.scale("node_disk", (target.node,), scene.between(10, 1000), target.onset_us)
    scene.gauges.scale("node_load", (target.node,), float(scene.rng.uniform(1.5, 5.0)), target.onset_us)


def disk_full(scene: Scene, target: Target) -> None:
    """Nothing can be written any more."""
    throws(scene, target, float(scene.rng.uniform(0.3, 0.9)), texts.one_of(scene.rng, texts.FULL_DISKS))
    scene.gauges.scale("disk", target.pods, 0.1, target.onset_us)


def slow_handler(scene: Scene, target: Target) -> None:
    """It waits for nothing that anybody measures."""
    waits(scene, target, scene.felt(1.0, 15.0), float(scene.rng.choice([1.0, 0.6])))


def slow_algorithm(scene: Scene, target: Target) -> None:
    """It computes longer: in a program of one thread everybody else waits meanwhile."""
    if scene.system.one_thread[target.service]:
        stalls(scene, target, scene.felt(0.3, 3.0))
    works_longer(scene, target, scene.between(5.0, 30.0))
    waits(scene, target, scene.felt(0.5, 3.0))


def slow_tail(scene: Scene, target: Target) -> None:
    """One request in several takes very long."""
    waits(scene, target, scene.felt(10.0, 40.0), float(scene.rng.uniform(0.12, 0.3)))


def network_delay(scene: Scene, target: Target) -> None:
    """Every packet is late: calls wait, nobody's own time grows."""
    late_packets(scene, target, scene.felt(0.8, 12.0))
    _sent_again(scene, target)


def network_loss(scene: Scene, target: Target) -> None:
    """Some packets never arrive."""
    share = float(scene.rng.uniform(0.15, 0.5))
    lost_packets(scene, target, share)
    if target.caller is None:
        scene.gauges.scale("network", target.pods, 1 - share / 2, target.onset_us)
    _sent_again(scene, target)


def exception(scene: Scene, target: Target) -> None:
    """The program throws, says so, and its callers fail."""
    throws(scene, target, float(scene.rng.uniform(0.25, 1.0)), texts.one_of(scene.rng, texts.EXCEPTIONS))


def silent_error(scene: Scene, target: Target) -> None:
    """The program answers with an error and writes nothing down."""
    throws(scene, target, float(scene.rng.uniform(0.3, 1.0)), "")


def empty_answer(scene: Scene, target: Target) -> None:
    """It returns early, with nothing."""
    said = texts.one_of(scene.rng, texts.EMPTY_RESULTS) if scene.rng.random() < 0.75 else ""
    returns_early(scene, target, float(scene.rng.uniform(0.4, 1.0)), said)


def bad_answer(scene: Scene, target: Target) -> None:
    """What it answers cannot be read: its callers fail, it does not. It did less than usual for it."""
    text, share = texts.one_of(scene.rng, texts.BAD_ANSWERS), float(scene.rng.uniform(0.4, 1.0))
    for x, hit in scene.hits(target):
        wrong = scene.sometimes(hit, share)
        x.returns_after[wrong] = 0
        for call in np.flatnonzero(wrong.any(axis=0)).tolist():
            if (caller := int(x.journey.parents[call])) >= 0:
                broken = np.zeros_like(wrong)
                broken[:, caller] = wrong[:, call] & x.made[:, call]
                x.fails |= broken
                scene.say(x, broken, "ERROR", f"{scene.system.names[target.service]}: {text}")


def lost_statements(scene: Scene, target: Target) -> None:
    """It returns early, and nobody fails: what it used to call afterwards and to write at the end is missing."""
    its = [op for op in scene.system.operations if op.service == target.service]
    shows = "logs" not in scene.missing and all(op.line for op in its)
    place = int(scene.rng.integers(0, 3)) if shows else 0
    share = float(scene.rng.uniform(0.5, 1.0))
    for x, hit in scene.hits(target):
        lost = scene.sometimes(hit, share)
        x.returns_after[lost] = place
        x.quiet |= lost


def stuck(scene: Scene, target: Target) -> None:
    """Every execution waits very long."""
    waits(scene, target, scene.felt(10.0, 60.0))


def always_throws(scene: Scene, target: Target) -> None:
    """Hardly any execution succeeds."""
    throws(scene, target, float(scene.rng.uniform(0.8, 1.0)), texts.one_of(scene.rng, texts.EXCEPTIONS))


def row_lock(scene: Scene, target: Target) -> None:
    """Executions wait for each other in the store, a few give up."""
    wait_us, rng = scene.felt(2.0, 15.0), scene.rng
    for x, hit in scene.hits(target):
        waiting = scene.sometimes(hit, float(rng.uniform(0.5, 0.9)))
        calls = x.made_by(waiting) & _to_stores(scene, x)
        x.gap_us += np.where(scene.sometimes(calls, 0.7), rng.exponential(wait_us / 2, hit.shape), 0.0)
        x.self_us += np.where(waiting, rng.exponential(wait_us / 3, hit.shape), 0.0)
        x.fails |= scene.sometimes(waiting, 0.05)
        scene.say(x, scene.sometimes(waiting, 0.3), "WARN", texts.one_of(rng, texts.LOCKS[:2]))
    scene.gauges.scale("cpu", target.pods, 0.7, target.onset_us)
    scene.gauges.add("pool_taken", target.pods, float(rng.integers(1, 8)), target.onset_us)
    scene.gauges.add("store_locks", _stores(scene, target), float(rng.integers(2, 20)), target.onset_us)


def pool_lock(scene: Scene, target: Target) -> None:
    """Somebody holds connections and does not give them back."""
    fills_pool(scene, target, scene.felt(3.0, 15.0))
    if scene.rng.random() < 0.5:
        _say(scene, target, 0.3, "WARN", texts.LOCKS[2])


def mutex(scene: Scene, target: Target) -> None:
    """Executions wait for each other within the program: long, uneven waits while the processor idles."""
    for x, hit in scene.hits(target):
        x.self_us += np.where(hit, scene.rng.exponential(scene.felt(3.0, 12.0), hit.shape), 0.0)
    scene.gauges.scale("cpu", target.pods, 0.6, target.onset_us)


def store_slow(scene: Scene, target: Target) -> None:
    """The store answers late."""
    waits(scene, target, scene.felt(0.5, 8.0), float(scene.rng.uniform(0.6, 1.0)))
    scene.gauges.scale("store_clients", (target.service,), float(scene.rng.uniform(1.0, 3.0)), target.onset_us)


def store_stopped(scene: Scene, target: Target) -> None:
    """The store answers nobody."""
    for x, hit in scene.hits(target):
        x.unanswered |= scene.sometimes(hit, float(scene.rng.uniform(0.5, 1.0)))
    scene.gauges.scale("store_up", (target.service,), 0.0, target.onset_us)
    scene.gauges.scale("cpu", target.pods, 0.05, target.onset_us)


def store_refuses(scene: Scene, target: Target) -> None:
    """The store has no connection left for most."""
    for x, hit in scene.hits(target):
        x.refused |= scene.sometimes(hit, float(scene.rng.uniform(0.4, 0.95)))
    scene.gauges.scale("store_clients", (target.service,), float(scene.rng.uniform(1.5, 8.0)), target.onset_us)


def short_limit(scene: Scene, target: Target) -> None:
    """It gives up on a callee too early; the callee is as quick as ever."""
    share = float(scene.rng.uniform(0.3, 0.8))
    for x, hit in scene.hits(target):
        calls = np.flatnonzero((x.made_by(hit) & ~x.message).any(axis=0))
        if len(calls):
            call = int(scene.rng.choice(calls))
            its, waited = x.made_by(hit)[:, call], play(x).waited_us[:, call]
            limit_us = float(np.quantile(waited[its], 1 - share))
            x.limit_us[:, call] = np.where(its, np.minimum(limit_us, x.limit_us[:, call]), x.limit_us[:, call])


def crash_loop(scene: Scene, target: Target) -> None:
    """The process dies and is started again and again; nobody answers in between."""
    _comes_and_goes(scene, target, float(scene.rng.uniform(0.6, 1.0)))


def crash_for_good(scene: Scene, target: Target) -> None:
    """The pod is gone; its series end."""
    for x, hit in scene.hits(target):
        x.unanswered |= hit
    gauges, pods = scene.gauges, list(target.pods)
    gone = gauges.times_us >= target.onset_us
    gauges.scale("up", target.pods, 0.0, target.onset_us)
    for measure in ("cpu", "memory", "network", "disk", "loop"):
        gauges.values[measure][pods] *= np.where(gone & (gauges.times_us <= gauges.until_us), np.nan, 1.0)
    _restart(scene, target)


def overload(scene: Scene, target: Target) -> None:
    """More requests than the entry can bear: it slows down, everything works harder."""
    occupied(scene, target, scene.between(1.5, 5.0), scene.felt(0.5, 6.0))


def _sent_again(scene: Scene, target: Target) -> None:
    if target.node is not None:
        scene.gauges.add("node_retransmits", (target.node,), scene.between(15, 400), target.onset_us)


def _comes_and_goes(scene: Scene, target: Target, share: float) -> None:
    at_once = scene.rng.random() < 0.6
    for x, hit in scene.hits(target):
        gone = scene.sometimes(hit, share)
        x.refused |= gone & at_once
        x.unanswered |= gone & (not at_once)
    gauges, pods = scene.gauges, list(target.pods)
    since = np.clip((gauges.times_us - target.onset_us) / scene.between(3e6, 6e7), 0, 60)
    gauges.values["restarts"][pods] += np.where(gauges.times_us <= gauges.until_us, np.ceil(since), 0)
    struck = (gauges.times_us >= target.onset_us) & (gauges.times_us <= gauges.until_us)
    down = struck & (scene.rng.random(len(struck)) < share)
    for measure in ("up", "memory"):
        gauges.values[measure][pods] *= np.where(down, 0.0, 1.0)
    gauges.scale("cpu", target.pods, scene.between(0.3, 8.0), target.onset_us)
    _restart(scene, target)


def _restart(scene: Scene, target: Target) -> None:
    if scene.rng.random() < 0.75:
        name, why = scene.system.pod_names[target.pods[0]], texts.one_of(scene.rng, texts.RESTARTS)
        after_us = float(scene.rng.uniform(1e6, 15e6))
        scene.change(target.onset_us + after_us, target.service, "restart", f"pod {name} {why}")


def _say(scene: Scene, target: Target, share: float, severity: str, text: str) -> None:
    for x, hit in scene.hits(target):
        scene.say(x, scene.sometimes(hit, share), severity, text)


def _to_stores(scene: Scene, x: Executions) -> Bools:
    """Which calls go to a store (K,)."""
    return np.array([scene.system.roles[s] in LEAVES for s in x.services()])


def _stores(scene: Scene, target: Target) -> tuple[int, ...]:
    return tuple(s for s in scene.system.calls[target.service] if scene.system.roles[s] in LEAVES)


def _nodes(scene: Scene, target: Target) -> tuple[int, ...]:
    return tuple({scene.system.pod_node[pod] for pod in target.pods})
