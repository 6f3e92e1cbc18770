from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from model_store.simulate.words import draw_names


class Role(StrEnum):
    """What a service does in its system."""

    ENTRY = "entry"
    SERVICE = "service"
    DATABASE = "database"
    CACHE = "cache"


LEAVES = (Role.DATABASE, Role.CACHE)


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that a service can be asked to do; its own time is lognormal around ``self_us``.

    ``line`` is what it logs each time, "" if nothing.
    """

    service: int
    name: str
    self_us: float
    sigma: float
    line: str = ""


@dataclass(frozen=True, slots=True)
class Style:
    """How a system tells about itself: no two are instrumented alike."""

    client_spans: bool
    leaf_spans: bool
    statuses: bool
    nodes_in_spans: bool
    severities: bool
    metric_names: int


@dataclass(frozen=True, slots=True)
class System:
    """A system at rest: services (by number), who calls whom, what runs where, what can be asked of each.

    ``calls[s]`` are the callees of service s, always of a higher number: calls form no cycle. ``pods[s]`` are numbers
    into ``pod_names``; ``pod_node`` says on which node each pod runs. ``asked[s]`` are the operations of service s.
    """

    names: tuple[str, ...]
    roles: tuple[Role, ...]
    calls: tuple[tuple[int, ...], ...]
    pods: tuple[tuple[int, ...], ...]
    pod_names: tuple[str, ...]
    pod_service: tuple[int, ...]
    pod_node: tuple[int, ...]
    nodes: tuple[str, ...]
    operations: tuple[Operation, ...]
    asked: tuple[tuple[int, ...], ...]
    style: Style


def random_system(rng: np.random.Generator, services: int) -> System:
    """A system of that many services (at least one), the first of them the entry."""
    roles = _roles(rng, services)
    calls = _calls(rng, roles)
    names = draw_names(rng, services)
    nodes = tuple(f"node-{i}" for i in rng.permutation(90)[: max(1, round(services / 4))] + 10)
    pods, pod_names = _pods(rng, names, roles)
    operations = [op for s in range(services) for op in _operations(rng, s, names[s], roles[s])]
    return System(
        names=tuple(names),
        roles=roles,
        calls=calls,
        pods=pods,
        pod_names=pod_names,
        pod_service=tuple(s for s, its in enumerate(pods) for _ in its),
        pod_node=tuple(int(n) for n in rng.integers(len(nodes), size=len(pod_names))),
        nodes=nodes,
        operations=tuple(operations),
        asked=tuple(tuple(i for i, op in enumerate(operations) if op.service == s) for s in range(services)),
        style=_style(rng),
    )


def _roles(rng: np.random.Generator, services: int) -> tuple[Role, ...]:
    leaves = round(services * rng.uniform(0.2, 0.35)) if services >= 4 else 0
    kinds = [LEAVES[int(rng.random() < 0.3)] for _ in range(leaves)]
    return (Role.ENTRY, *[Role.SERVICE] * (services - leaves - 1), *kinds)


def _calls(rng: np.random.Generator, roles: tuple[Role, ...]) -> tuple[tuple[int, ...], ...]:
    """A random tree over all services, with a few more calls across it; entries do not call databases directly."""
    calls: list[set[int]] = [set() for _ in roles]
    inner = [s for s, role in enumerate(roles) if role not in LEAVES]
    for callee in range(1, len(roles)):
        callers = [s for s in inner if s < callee and (roles[callee] not in LEAVES or s > 0)] or [0]
        calls[_pick_caller(rng, callers, calls)].add(callee)
    for _ in range(len(inner) // 3):
        caller, callee = sorted(rng.integers(len(roles), size=2).tolist())
        if caller in inner and caller < callee and (caller > 0 or roles[callee] not in LEAVES):
            calls[caller].add(callee)
    return tuple(tuple(rng.permutation(sorted(callees)).tolist()) for callees in calls)


def _pick_caller(rng: np.random.Generator, callers: list[int], calls: list[set[int]]) -> int:
    """Those that call little are taken first, so that systems grow deep as well as wide."""
    weight = np.array([1 / (1 + len(calls[s])) for s in callers])
    return callers[int(rng.choice(len(callers), p=weight / weight.sum()))]


def _pods(
    rng: np.random.Generator, names: list[str], roles: tuple[Role, ...]
) -> tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]:
    pods: list[tuple[int, ...]] = []
    pod_names: list[str] = []
    for name, role in zip(names, roles, strict=True):
        replicas = 1 if role in LEAVES else int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))
        suffixes = [f"{rng.integers(16**9):09x}-{rng.integers(16**5):05x}" for _ in range(replicas)]
        pods.append(tuple(range(len(pod_names), len(pod_names) + replicas)))
        pod_names += [f"{name}-{suffix}" for suffix in suffixes]
    return tuple(pods), tuple(pod_names)


_VERBS = ("get", "list", "create", "update", "find", "check", "compute", "load", "submit", "render")


def _operations(rng: np.random.Generator, service: int, name: str, role: Role) -> list[Operation]:
    median_us = float(np.exp(rng.normal(np.log(600 if role in LEAVES else 3000), 0.8)))
    verbs = rng.permutation(_VERBS)[: int(rng.integers(1, 4)) if role is not Role.ENTRY else int(rng.integers(2, 5))]
    return [
        Operation(
            service=service,
            name=f"{name}.{verb}" if role in LEAVES else f"/{name}/{verb}",
            self_us=median_us * float(np.exp(rng.normal(0, 0.4))),
            sigma=float(rng.uniform(0.1, 0.45)),
            line=f"{verb} finished for id {{}}" if role not in LEAVES and rng.random() < 0.7 else "",
        )
        for verb in verbs
    ]


def _style(rng: np.random.Generator) -> Style:
    return Style(
        client_spans=bool(rng.random() < 0.75),
        leaf_spans=bool(rng.random() < 0.5),
        statuses=bool(rng.random() < 0.8),
        nodes_in_spans=bool(rng.random() < 0.5),
        severities=bool(rng.random() < 0.7),
        metric_names=int(rng.integers(2)),
    )
