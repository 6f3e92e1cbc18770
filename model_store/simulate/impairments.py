"""What faults are made of: own time that grows, a thread that everybody waits for, packets that come late.

They touch causes only (own time, waits, failures, early returns); how that climbs to callers is played out by
`executions.play`.
"""

import numpy as np

from model_store.simulate.scene import Scene, Target

NODE_FULL = 97.0


def works_longer(scene: Scene, target: Target, factor: float) -> None:
    """Everything that it does itself takes so many times as long, more or less."""
    for x, hit in scene.hits(target):
        x.self_us *= np.where(hit, factor * scene.rng.uniform(0.7, 1.3, hit.shape), 1.0)


def waits(scene: Scene, target: Target, wait_us: float, share: float = 1.0) -> None:
    """A share of executions waits, more or less so long, for something that nobody measures."""
    for x, hit in scene.hits(target):
        x.self_us += np.where(scene.sometimes(hit, share), wait_us * scene.rng.uniform(0.6, 1.4, hit.shape), 0.0)


def stalls(scene: Scene, target: Target, lag_us: float) -> None:
    """The one thread of these pods is busy: requests wait before they begin, own work is interrupted, answers of
    callees lie there unread. For callers and callees that is time that no span covers.
    """
    for x, hit in scene.hits(target):
        x.gap_us += np.where(hit, scene.rng.exponential(lag_us / 2, hit.shape), 0.0)
        x.self_us += np.where(hit, scene.rng.exponential(lag_us / 3, hit.shape), 0.0)
        x.gap_us += np.where(x.made_by(hit), scene.rng.exponential(lag_us / 3, hit.shape), 0.0)
    scene.gauges.add("loop", target.pods, lag_us, target.onset_us)


def occupied(scene: Scene, target: Target, factor: float, lag_us: float) -> None:
    """The processor is taken: a program of one thread stalls, one of many works longer."""
    if scene.system.one_thread[target.service]:
        stalls(scene, target, lag_us)
    else:
        works_longer(scene, target, factor)
        for x, hit in scene.hits(target):
            x.self_us += np.where(hit, scene.rng.exponential(lag_us / 3, hit.shape), 0.0)


def fills_pool(scene: Scene, target: Target, wait_us: float) -> None:
    """All connections are in use: executions that call a store wait for one first."""
    waits(scene, target, wait_us)
    size = int(scene.rng.integers(3, 20))
    scene.gauges.add("pool_taken", target.pods, size, target.onset_us)
    scene.gauges.add("pool_waiting", target.pods, float(scene.rng.integers(3, 60)), target.onset_us)


def late_packets(scene: Scene, target: Target, delay_us: float) -> None:
    """Every packet is late, on the way there and back."""
    for x, hit in scene.traffic(target, both_ways=bool(scene.rng.random() < 0.6)):
        x.gap_us += np.where(hit, delay_us * scene.rng.uniform(0.8, 1.2, hit.shape) / 2, 0.0)


def lost_packets(scene: Scene, target: Target, share: float) -> None:
    """Some calls stall until packets are sent again, some are cut off, a few are never answered."""
    again_us = scene.between(1.5e5, 6e5)
    for x, hit in scene.traffic(target, both_ways=bool(scene.rng.random() < 0.6)):
        again = again_us * 2.0 ** scene.rng.integers(0, 3, hit.shape)
        x.gap_us += np.where(scene.sometimes(hit, share), again, 0.0)
        x.unanswered |= scene.sometimes(hit, share / 6)
        x.refused |= scene.sometimes(hit, share / 4)


def throws(scene: Scene, target: Target, share: float, text: str, severity: str = "ERROR") -> None:
    """A share of executions fails before its work is done, and says so (unless there is no text)."""
    place = int(scene.rng.integers(0, 3))
    for x, hit in scene.hits(target):
        broken = scene.sometimes(hit, share)
        x.fails |= broken
        x.returns_after[broken] = scene.rng.integers(0, place + 1, int(broken.sum()))
        if text:
            scene.say(x, broken, severity, text)


def returns_early(scene: Scene, target: Target, share: float, text: str) -> None:
    """A share of executions comes back with an empty answer: no failure, but what it used to call is not called."""
    for x, hit in scene.hits(target):
        wrong = scene.sometimes(hit, share)
        x.returns_after[wrong] = 0
        if text:
            scene.say(x, wrong, "WARN", text)


def burns(scene: Scene, target: Target, millicores: float) -> None:
    """The processor time of its pods rises, and that of the node with it."""
    gauges, pods = scene.gauges, target.pods
    gauges.add("cpu", pods, millicores, target.onset_us)
    nodes = tuple({scene.system.pod_node[pod] for pod in pods})
    gauges.add("node", nodes, min(60.0, millicores / 20), target.onset_us)
    gauges.scale("node_load", nodes, float(scene.rng.uniform(1.0, 1.8)), target.onset_us)


def fills_node(scene: Scene, target: Target) -> None:
    """The node's processors are all taken."""
    assert target.node is not None
    node, gauges = target.node, scene.gauges
    level = gauges.values["node"][node]
    struck = (gauges.times_us >= target.onset_us) & (gauges.times_us <= gauges.until_us)
    gauges.values["node"][node] = np.where(struck, NODE_FULL + scene.rng.uniform(0, 3, level.shape), level)
    gauges.scale("node_load", (node,), float(scene.rng.uniform(1.8, 6.0)), target.onset_us, 2e7)
