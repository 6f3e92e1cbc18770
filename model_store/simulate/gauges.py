from dataclasses import dataclass

import numpy as np

from model_store.simulate.system import LEAVES, System
from model_store.simulate.workload import Floats

NAMES = (
    {
        "cpu": ("cpu_usage", "millicores", 1.0),
        "memory": ("memory_usage", "MB", 1.0),
        "network": ("network_receive", "kB/s", 1.0),
        "disk": ("disk_io", "kB/s", 1.0),
        "restarts": ("restarts", "", 1.0),
        "node": ("node_cpu_usage_rate", "%", 1.0),
    },
    {
        "cpu": ("container.cpu.utilization", "%", 0.1),
        "memory": ("container.memory.rss", "bytes", 1e6),
        "network": ("container.network.io.receive", "By/s", 1e3),
        "disk": ("container.filesystem.writes", "By/s", 1e3),
        "restarts": ("k8s.container.restarts", "{restart}", 1.0),
        "node": ("k8s.node.cpu.utilization", "%", 1.0),
    },
)
"""Name, unit and scale under which exporters report what is measured: one vocabulary a style of system."""


@dataclass(slots=True)
class Gauges:
    """Resource series: ``values[measure]`` is (pods, times), or (nodes, times) for "node"; faults change it in place.

    ``times_us`` counts from the window's start, so it is negative before it; samples that are NaN were never taken.
    What is scaled stays so until ``until_us``, the end of the window.
    """

    system: System
    times_us: Floats
    values: dict[str, Floats]
    until_us: float

    def scale(self, measure: str, rows: tuple[int, ...], factor: float, since_us: float, ramp_us: float = 0.0) -> None:
        """Multiplies from a moment on until the window ends, at once or growing linearly over ``ramp_us``."""
        progress = np.clip((self.times_us - since_us) / max(ramp_us, 1.0), 0, 1)
        active = (self.times_us >= since_us) & (self.times_us <= self.until_us)
        self.values[measure][list(rows)] *= np.where(active, 1 + (factor - 1) * progress, 1.0)


def random_gauges(rng: np.random.Generator, system: System, times_us: Floats, until_us: float) -> Gauges:
    """Series of healthy pods and nodes: a level each, noise, and a slow common drift with the load."""
    pods = len(system.pod_names)
    drift = 1 + 0.1 * np.sin(times_us / 6e8 + rng.uniform(0, 6))
    leaf = np.array([system.roles[s] in LEAVES for s in system.pod_service])
    levels = {"cpu": 30.0, "memory": 250.0, "network": 60.0, "disk": 12.0}
    values = {
        measure: _series(rng, level, 0.04 if measure == "memory" else 0.12, (pods, len(times_us)))
        * (1.0 if measure == "memory" else drift)
        for measure, level in levels.items()
    }
    values["disk"][leaf] *= 20
    values["restarts"] = np.zeros((pods, len(times_us)))
    values["node"] = np.minimum(95.0, _series(rng, 25.0, 0.08, (len(system.nodes), len(times_us))) * drift)
    return Gauges(system, times_us, values, until_us)


def _series(rng: np.random.Generator, level: float, noise: float, shape: tuple[int, int]) -> Floats:
    levels = level * np.exp(rng.normal(0, 0.7, (shape[0], 1)))
    return levels * np.exp(rng.normal(0, noise, shape))
