from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_store.simulate.system import LEAVES, System
from model_store.simulate.workload import Floats

OF_NODES = ("node", "node_load", "node_disk", "node_retransmits", "node_memory")


@dataclass(slots=True)
class Gauges:
    """Resource series: ``values[measure]`` is (pods, times), (nodes, times) or (services, times); faults change it in
    place.

    ``times_us`` counts from the window's start, so it is negative before it; samples that are NaN were never taken.
    What is changed stays so until ``until_us``, the end of the window. ``running`` (pods, times) says when there is a
    pod at all: else nothing is measured of it.
    """

    system: System
    times_us: Floats
    values: dict[str, Floats]
    until_us: float
    running: npt.NDArray[np.bool_]

    def scale(self, measure: str, rows: tuple[int, ...], factor: float, since_us: float, ramp_us: float = 0.0) -> None:
        """Multiplies from a moment on until the window ends, at once or growing linearly over ``ramp_us``."""
        self.values[measure][list(rows)] *= 1 + (factor - 1) * self._progress(since_us, ramp_us)

    def add(self, measure: str, rows: tuple[int, ...], amount: float, since_us: float, ramp_us: float = 0.0) -> None:
        """Adds from a moment on until the window ends, at once or growing linearly over ``ramp_us``."""
        self.values[measure][list(rows)] += amount * self._progress(since_us, ramp_us)

    def _progress(self, since_us: float, ramp_us: float) -> Floats:
        """How far a change has come at each sample, 0 to 1."""
        progress = np.clip((self.times_us - since_us) / max(ramp_us, 1.0), 0, 1)
        return progress * ((self.times_us >= since_us) & (self.times_us <= self.until_us))


def random_gauges(rng: np.random.Generator, system: System, times_us: Floats, until_us: float) -> Gauges:
    """Series of healthy pods, nodes and stores: a level each, noise, and a slow common drift with the load."""
    drift = 1 + 0.1 * np.sin(times_us / 6e8 + rng.uniform(0, 6))
    shape = (len(system.pod_names), len(times_us))
    leaf = np.array([system.roles[s] in LEAVES for s in system.pod_service])
    noise = float(np.exp(rng.uniform(np.log(0.015), np.log(0.2))))
    values = {
        "cpu": _series(rng, 30.0, noise, shape) * drift,
        "memory": _series(rng, 250.0, 0.002, shape, spread=0.9) * (1 + _wander(rng, 0.004, shape)),
        "network": _series(rng, 60.0, noise, shape) * drift,
        "disk": _series(rng, 12.0, noise * 1.5, shape) * np.where(leaf, 20.0, 1.0)[:, None],
        "restarts": np.zeros(shape),
        "up": np.ones(shape),
        "loop": _series(rng, 3_000.0, 0.15, shape, spread=0.2),
        "pool_taken": np.zeros(shape),
        "pool_waiting": np.zeros(shape),
    }
    if rng.random() < 0.5:  # programs that write to the disk now and then
        quiet = rng.random(shape) < rng.uniform(0.3, 1.0, (shape[0], 1))
        values["disk"] = np.where(quiet & ~leaf[:, None], 0.0, values["disk"])
    nodes = (len(system.nodes), len(times_us))
    busy = np.minimum(95.0, _series(rng, 25.0, noise, nodes, spread=0.5) * drift)
    values |= {
        "node": busy,
        "node_load": busy * np.exp(rng.normal(0, 0.1, nodes)),
        "node_disk": _series(rng, 400.0, 0.4, nodes),
        "node_retransmits": np.round(_series(rng, 3.0, 0.5, nodes)),
        "node_memory": _series(rng, 9_000.0, 0.005, nodes, spread=0.4),
    }
    services = (len(system.names), len(times_us))
    values |= {
        "store_up": np.ones(services),
        "store_clients": np.round(_series(rng, 14.0, 0.05, services)),
        "store_locks": np.zeros(services),
    }
    return Gauges(system, times_us, values, until_us, np.ones(shape, bool))


def _series(
    rng: np.random.Generator, level: float, noise: float, shape: tuple[int, int], spread: float = 0.7
) -> Floats:
    levels = level * np.exp(rng.normal(0, spread, (shape[0], 1)))
    return levels * np.exp(rng.normal(0, noise, shape))


def _wander(rng: np.random.Generator, step: float, shape: tuple[int, int]) -> Floats:
    """A random walk: what grows and shrinks slowly, each for itself."""
    return np.cumsum(rng.normal(0, step, shape), axis=1) * rng.uniform(0, 1, (shape[0], 1))
