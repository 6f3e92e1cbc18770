"""Pods of versions, and rolling releases: pods of a new version take over from some of the old ones, or from all."""

from dataclasses import replace

import numpy as np

from model_store.simulate.executions import Executions
from model_store.simulate.faults import DEPLOYED, FEWEST_HITS, pod_visits
from model_store.simulate.scene import Release, Scene
from model_store.simulate.system import LEAVES, System

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""What Kubernetes makes names of: no vowels, so that no words come out."""


def with_versions(rng: np.random.Generator, system: System) -> System:
    """The same system with more pods, named as deployments name theirs: ``service-hash-suffix``, where all pods of a
    version have one hash. Stores have one pod, which is numbered.
    """
    pods: list[tuple[int, ...]] = []
    names: list[str] = []
    for name, role in zip(system.names, system.roles, strict=True):
        replicas = 1 if role in LEAVES else int(rng.choice([1, 2, 3, 5], p=[0.3, 0.35, 0.25, 0.1]))
        pods.append(tuple(range(len(names), len(names) + replicas)))
        names += [f"{name}-0"] if role in LEAVES else _pod_names(rng, name, replicas)
    return replace(
        system,
        pods=tuple(pods),
        pod_names=tuple(names),
        pod_service=tuple(s for s, its in enumerate(pods) for _ in its),
        pod_node=tuple(int(n) for n in rng.integers(len(system.nodes), size=len(names))),
    )


def with_releases(
    rng: np.random.Generator, system: System, now: list[Executions], window_us: int, onset_us: int, bad: bool
) -> tuple[System, tuple[Release, ...]]:
    """Releases of none, one or several services about the onset, and the system with the pods that come, without those
    that go. If ``bad``, there is at least one, and the first begins at the onset.
    """
    several = [s for s, its in enumerate(system.pods) if len(its) > 1]
    count = max(int(rng.choice([0, 1, 2, 4], p=[0.5, 0.25, 0.15, 0.1])), int(bad))
    order = [int(s) for s in rng.permutation(several)]
    if bad:
        # Of the bad one enough has to be seen: each of its pods serves enough, for any of them may be replaced.
        visits = pod_visits(now, onset_us, len(system.pod_names))
        order.sort(key=lambda s: min(visits[list(system.pods[s])]) < FEWEST_HITS)
    releases: list[Release] = []
    for place, service in enumerate(order[:count]):
        since_us = onset_us if bad and place == 0 else int(onset_us * rng.uniform(0.3, 1.2))
        system, release = _released(rng, system, service, since_us, window_us)
        releases.append(release)
    return system, tuple(releases)


def roll_out(scene: Scene) -> None:
    """Lets new pods take over: each is slower while it warms up, and announced by a change."""
    rng, gauges = scene.rng, scene.gauges
    _share_levels(scene)
    for release in scene.releases:
        warm_us, cold = scene.between(1e6, 2e7), scene.between(1.0, 3.0)
        for old, new, since_us in zip(release.old, release.new, release.since_us, strict=True):
            gauges.running[old] = gauges.times_us < since_us
            gauges.running[new] = gauges.times_us >= since_us
            for x in scene.now:
                late = x.arrived_us >= since_us
                x.pod[late[:, None] & (x.pod == old)] = new
                warming = late & (x.arrived_us < since_us + warm_us)
                x.self_us *= np.where(warming[:, None] & (x.pod == new), cold, 1.0)
        name, version = scene.system.names[release.service], int(rng.integers(10, 99))
        summary = DEPLOYED.format(name=name, new=version, old=version - 1)
        scene.change(release.since_us[0] - scene.between(2e6, 3e7), release.service, "deploy", summary)


def _share_levels(scene: Scene) -> None:
    """Pods of a service use about as much as each other, new ones as much as old ones."""
    owner = np.array(scene.system.pod_service)
    for measure in ("cpu", "memory", "network", "disk", "loop"):
        series = scene.gauges.values[measure]
        usual = np.median(series, axis=1)
        first = usual[[int(np.argmax(owner == s)) for s in owner]]
        ratio = np.where((first > 0) & (usual > 0), first / np.maximum(usual, 1e-9), 1.0)
        series *= (ratio * np.exp(scene.rng.normal(0, 0.12, len(owner))))[:, None]


def _released(
    rng: np.random.Generator, system: System, service: int, since_us: int, window_us: int
) -> tuple[System, Release]:
    """Mostly some of the old pods stay; the new ones come one after another, all within the window."""
    before = system.pods[service]
    number = len(before) if rng.random() < 0.25 else int(rng.integers(1, len(before)))
    old, first = before[:number], len(system.pod_names)
    new = tuple(range(first, first + number))
    pause_us = rng.uniform(0, 0.5) * (window_us - since_us) / number
    nodes = [int(n) for n in rng.integers(len(system.nodes), size=number)]
    pods = tuple((*its[number:], *new) if s == service else its for s, its in enumerate(system.pods))
    system = replace(
        system,
        pods=pods,
        pod_names=(*system.pod_names, *_pod_names(rng, system.names[service], number)),
        pod_service=(*system.pod_service, *([service] * number)),
        pod_node=(*system.pod_node, *nodes),
    )
    return system, Release(service, old, new, tuple(int(since_us + i * pause_us) for i in range(number)))


def _pod_names(rng: np.random.Generator, service: str, number: int) -> list[str]:
    """Names of pods of one version."""
    version = _made_up(rng, 9)
    return [f"{service}-{version}-{_made_up(rng, 5)}" for _ in range(number)]


def _made_up(rng: np.random.Generator, length: int) -> str:
    return "".join(rng.choice(list(ALPHABET), length))
