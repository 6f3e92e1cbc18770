"""What makes reality hard without being anybody's fault. Each is present by chance, in faulty and healthy incidents."""

import numpy as np

from model_store.simulate.faults import MINUTE_US
from model_store.simulate.scene import Scene
from service.domain.fault import Fault

SEEN_IN_METRICS = frozenset({Fault.CPU, Fault.MEMORY, Fault.DISK, Fault.CRASH})
"""Kinds that leave a trail when spans are missing."""

BY_CHANGE = frozenset({Fault.CONFIG, Fault.DEPLOY})
"""Kinds that only a change event tells from what came of it."""


def disturb(scene: Scene, fault: Fault | None) -> None:
    """Adds nuisances by chance."""
    rng = scene.rng
    if rng.random() < 0.35:
        harmless_change(scene)
    for _ in range(rng.poisson(1.0)):
        metric_spike(scene)
    for _ in range(rng.poisson(1.0)):
        chronic_error(scene)
    lose_modalities(scene, fault)


def harmless_change(scene: Scene) -> None:
    """A deployment or a configuration change that did nothing."""
    service = int(scene.rng.integers(len(scene.system.names)))
    kind = str(scene.rng.choice(["deploy", "config", "scale"]))
    at_us = float(scene.rng.uniform(-45 * MINUTE_US, 9 * MINUTE_US))
    scene.change(at_us, service, kind, f"{kind} of {scene.system.names[service]}")


def metric_spike(scene: Scene) -> None:
    """A series jumps for a few minutes and nobody suffers."""
    gauges, pod = scene.gauges, int(scene.rng.integers(len(scene.system.pod_names)))
    measure = str(scene.rng.choice(["cpu", "memory", "network", "disk"]))
    begin = float(scene.rng.choice(gauges.times_us))
    length_us = float(scene.rng.uniform(1, 3)) * MINUTE_US
    spike = (gauges.times_us >= begin) & (gauges.times_us <= begin + length_us)
    gauges.values[measure][pod] *= np.where(spike, scene.rng.uniform(1.5, 3.0), 1.0)


def chronic_error(scene: Scene) -> None:
    """An operation that fails a little, now as before."""
    operation = int(scene.rng.integers(len(scene.system.operations)))
    share = float(scene.rng.uniform(0.01, 0.1))
    for x in (*scene.now, *scene.before):
        asked = np.broadcast_to(x.journey.operations == operation, x.made.shape)
        broken = scene.sometimes(asked, share)
        x.fails |= broken
        scene.say(x, broken, "ERROR", "validation failed for record {}")


def lose_modalities(scene: Scene, fault: Fault | None) -> None:
    """Real systems rarely record everything; spans are lost only where metrics still tell."""
    chances = {"logs": 0.12, "metrics": 0.06, "topology": 0.3, "changes": 0.2, "spans": 0.05}
    scene.missing |= {name for name, chance in chances.items() if scene.rng.random() < chance}
    if "spans" in scene.missing and (fault not in SEEN_IN_METRICS or "metrics" in scene.missing):
        scene.missing.discard("spans")
    if fault in BY_CHANGE:
        scene.missing.discard("changes")
