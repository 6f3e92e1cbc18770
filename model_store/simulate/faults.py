"""One function a kind of fault: what it does to executions, series, logs and changes from its onset on.

A fault touches causes only (own time, waits, failures, early returns); how that climbs to callers is played out by
`executions.play`.
"""

from collections.abc import Callable

import numpy as np

from model_store.simulate.executions import Executions
from model_store.simulate.scene import Scene, Target
from model_store.simulate.system import LEAVES, Role, System
from service.domain.fault import Fault

MINUTE_US = 60_000_000


def cpu(scene: Scene, target: Target) -> None:
    """Something burns the pod's processor: its own time grows, its neighbours on the node feel it a little."""
    burn = float(scene.rng.uniform(2.0, 6.0))
    _slow_down(scene, target, burn)
    scene.gauges.scale("cpu", target.pods, float(scene.rng.uniform(4.0, 15.0)), target.onset_us)
    nodes = tuple({scene.system.pod_node[pod] for pod in target.pods})
    scene.gauges.scale("node", nodes, float(scene.rng.uniform(1.3, 2.5)), target.onset_us)


def memory(scene: Scene, target: Target) -> None:
    """A leak: memory climbs, some executions wait for the collector."""
    scene.gauges.scale("memory", target.pods, float(scene.rng.uniform(1.8, 4.0)), target.onset_us, 4 * MINUTE_US)
    scene.gauges.scale("cpu", target.pods, float(scene.rng.uniform(1.2, 1.8)), target.onset_us)
    for x, hit in scene.hits(target):
        pause = scene.rng.exponential(scene.rng.uniform(1e5, 4e5), hit.shape)
        x.self_us += np.where(scene.sometimes(hit, 0.2), pause, 0.0)


def disk(scene: Scene, target: Target) -> None:
    """Something else hammers the disk: what the service does itself waits for it."""
    _slow_down(scene, target, float(scene.rng.uniform(2.5, 8.0)))
    scene.gauges.scale("disk", target.pods, float(scene.rng.uniform(5.0, 40.0)), target.onset_us)
    _say(scene, target, 0.15, "WARN", "slow write: fsync took {} ms")


def slow(scene: Scene, target: Target) -> None:
    """The service waits for nothing that anybody measures."""
    _slow_down(scene, target, float(scene.rng.uniform(3.0, 12.0)))


def network_delay(scene: Scene, target: Target) -> None:
    """Every packet of the pod is late: calls to it and from it wait, its own time stays as it was."""
    delay_us = float(np.exp(scene.rng.uniform(np.log(2e4), np.log(4e5))))
    for x, hit in _traffic(scene, target):
        x.gap_us += np.where(hit, delay_us * scene.rng.uniform(0.8, 1.2, hit.shape) / 2, 0.0)


def network_loss(scene: Scene, target: Target) -> None:
    """Some packets of the pod are lost: its calls stall until they are sent again, a few are never answered."""
    share = float(scene.rng.uniform(0.1, 0.4))
    for x, hit in _traffic(scene, target):
        again = 200_000.0 * 2 ** scene.rng.integers(0, 3, hit.shape)
        x.gap_us += np.where(scene.sometimes(hit, share), again, 0.0)
        x.unanswered |= scene.sometimes(hit, share / 5)
    scene.gauges.scale("network", target.pods, 1 - share, target.onset_us)


def error(scene: Scene, target: Target) -> None:
    """The service throws: it returns before its work is done, says so, and its callers fail."""
    share = float(scene.rng.uniform(0.3, 1.0))
    for x, hit in scene.hits(target):
        broken = scene.sometimes(hit, share)
        x.fails |= broken
        x.returns_after[broken] = scene.rng.integers(0, 2, int(broken.sum()))
        scene.say(x, broken, "ERROR", "unexpected exception while handling request {}: illegal state")


def wrong_result(scene: Scene, target: Target) -> None:
    """The service returns early with an empty answer: no failure, no delay, but what it used to call is not called."""
    share = float(scene.rng.uniform(0.6, 1.0))
    for x, hit in scene.hits(target):
        wrong = scene.sometimes(hit, share)
        x.returns_after[wrong] = 0
        scene.say(x, wrong, "WARN", "no entries found for key {}, returning empty result")


def lock(scene: Scene, target: Target) -> None:
    """Executions wait for each other: long, uneven waits while the processor idles."""
    for x, hit in scene.hits(target):
        waiting = scene.sometimes(hit, 0.6)
        x.self_us += np.where(waiting, scene.rng.exponential(scene.rng.uniform(1e5, 6e5), hit.shape), 0.0)
        scene.say(x, scene.sometimes(waiting, 0.3), "WARN", "waited {} ms for lock")
    scene.gauges.scale("cpu", target.pods, 0.6, target.onset_us)


def dependency(scene: Scene, target: Target) -> None:
    """A database or cache answers late, or not at all."""
    if scene.rng.random() < 0.5:
        _slow_down(scene, target, float(scene.rng.uniform(10.0, 60.0)))
        return
    share = float(scene.rng.uniform(0.3, 0.9))
    for x, hit in scene.hits(target):
        x.unanswered |= scene.sometimes(hit, share)


def config(scene: Scene, target: Target) -> None:
    """A configuration change at the onset, and what came of it."""
    name = scene.system.names[target.service]
    scene.change(_shortly_before(scene, target), target.service, "config", f"configuration of {name} changed")
    _one_of(scene, error, slow, wrong_result)(scene, target)


def deploy(scene: Scene, target: Target) -> None:
    """A new version at the onset, and what came of it."""
    name, version = scene.system.names[target.service], int(scene.rng.integers(10, 99))
    scene.change(
        _shortly_before(scene, target), target.service, "deploy", f"{name} 1.{version}.0 replaced 1.{version - 1}.3"
    )
    _one_of(scene, error, slow, wrong_result, cpu)(scene, target)


def crash(scene: Scene, target: Target) -> None:
    """The pod is gone: nobody answers, its series end, and it is started again and again."""
    for x, hit in scene.hits(target):
        x.unanswered |= scene.sometimes(hit, 0.95)
    gauges, pods = scene.gauges, list(target.pods)
    down = (gauges.times_us >= target.onset_us) & (gauges.times_us < target.onset_us + 2 * MINUTE_US)
    for measure in ("cpu", "memory", "network", "disk"):
        gauges.values[measure][pods] *= np.where(down, np.nan, 1.0)
    since = np.clip((gauges.times_us - target.onset_us) / MINUTE_US, 0, None)
    gauges.values["restarts"][pods] += np.where(gauges.times_us <= gauges.until_us, np.ceil(since), 0)
    name = scene.system.pod_names[target.pods[0]]
    scene.change(target.onset_us + 15e6, target.service, "restart", f"pod {name} restarted, exit code 137")


def overload(scene: Scene, target: Target) -> None:
    """More requests than the entry can bear (they arrive as `SURGE` says): it slows down, everything works harder."""
    _slow_down(scene, target, float(scene.rng.uniform(2.0, 5.0)))
    scene.gauges.scale("cpu", tuple(range(len(scene.system.pod_names))), SURGE * 0.6, target.onset_us)
    scene.gauges.scale("network", tuple(range(len(scene.system.pod_names))), SURGE * 0.9, target.onset_us)
    scene.gauges.scale("cpu", target.pods, 1.5, target.onset_us)


SURGE = 3.0
"""How many times as many requests arrive under overload."""

EFFECTS: dict[Fault, Callable[[Scene, Target], None]] = {
    Fault.CPU: cpu,
    Fault.MEMORY: memory,
    Fault.DISK: disk,
    Fault.NETWORK_DELAY: network_delay,
    Fault.NETWORK_LOSS: network_loss,
    Fault.SLOW: slow,
    Fault.ERROR: error,
    Fault.WRONG_RESULT: wrong_result,
    Fault.LOCK: lock,
    Fault.DEPENDENCY: dependency,
    Fault.CONFIG: config,
    Fault.DEPLOY: deploy,
    Fault.CRASH: crash,
    Fault.OVERLOAD: overload,
}
"""Every kind that can be simulated: all but ``unknown``."""

BY_POD = frozenset({Fault.CPU, Fault.MEMORY, Fault.DISK, Fault.NETWORK_DELAY, Fault.NETWORK_LOSS, Fault.CRASH})
"""Kinds that strike one pod; the others are in the program, the data or the load, and strike all pods of a service."""


def can_strike(fault: Fault, system: System, service: int) -> bool:
    """Whether a fault of this kind makes sense in a service of that role and place."""
    role = system.roles[service]
    if fault is Fault.DEPENDENCY:
        return role in LEAVES or len(system.names) < 4
    if fault is Fault.OVERLOAD:
        return role is Role.ENTRY
    if fault is Fault.WRONG_RESULT:
        return bool(system.calls[service]) or len(system.names) == 1
    return role not in LEAVES or fault in BY_POD | {Fault.SLOW, Fault.LOCK}


def _slow_down(scene: Scene, target: Target, factor: float) -> None:
    for x, hit in scene.hits(target):
        noise = np.exp(scene.rng.normal(0, 0.2, hit.shape))
        x.self_us *= np.where(hit, 1 + (factor - 1) * noise, 1.0)


def _traffic(scene: Scene, target: Target) -> list[tuple[Executions, np.ndarray]]:
    """Calls into the target's pods and out of them."""
    return [(x, hit | x.called_by(target.service, target.pods, target.onset_us)) for x, hit in scene.hits(target)]


def _say(scene: Scene, target: Target, share: float, severity: str, text: str) -> None:
    for x, hit in scene.hits(target):
        scene.say(x, scene.sometimes(hit, share), severity, text)


def _shortly_before(scene: Scene, target: Target) -> float:
    return target.onset_us - float(scene.rng.uniform(1e6, 60e6))


def _one_of(scene: Scene, *effects: Callable[[Scene, Target], None]) -> Callable[[Scene, Target], None]:
    return effects[int(scene.rng.integers(len(effects)))]
