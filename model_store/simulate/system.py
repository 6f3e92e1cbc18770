from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from model_store.simulate.families import Shape
from model_store.simulate.shapes import draw_calls
from model_store.simulate.styles import STATEMENTS, Style, random_style
from model_store.simulate.words import draw_names


class Role(StrEnum):
    """What a service does in its system."""

    ENTRY = "entry"
    SERVICE = "service"
    DATABASE = "database"
    CACHE = "cache"


LEAVES = (Role.DATABASE, Role.CACHE)
LONG_LIMITS_US = (2e6, 5e6, 10e6, 30e6)
"""How long callers wait that have set no limit of their own: what the library does unless told otherwise."""


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
class Call:
    """How one service calls another: when it gives up, whether it asks again, whether it lives with a failure, and
    whether it only leaves a message.
    """

    limit_us: float = LONG_LIMITS_US[-1]
    again: bool = False
    tolerated: bool = False
    message: bool = False


@dataclass(frozen=True, slots=True)
class System:
    """A system at rest: services (by number), who calls whom, what runs where, what can be asked of each.

    ``calls[s]`` are the callees of service s, always of a higher number: calls form no cycle; ``manners`` tells how
    each of these pairs talks. ``pods[s]`` are numbers into ``pod_names``; ``pod_node`` says on which node each pod
    runs. ``asked[s]`` are the operations of service s. In a service of ``one_thread`` whatever one request does delays
    all others of that pod.
    """

    names: tuple[str, ...]
    roles: tuple[Role, ...]
    calls: tuple[tuple[int, ...], ...]
    manners: dict[tuple[int, int], Call]
    one_thread: tuple[bool, ...]
    pods: tuple[tuple[int, ...], ...]
    pod_names: tuple[str, ...]
    pod_service: tuple[int, ...]
    pod_node: tuple[int, ...]
    nodes: tuple[str, ...]
    operations: tuple[Operation, ...]
    asked: tuple[tuple[int, ...], ...]
    style: Style


def random_system(rng: np.random.Generator, services: int, shape: Shape = Shape.TREE) -> System:
    """A system of that many services (at least one), the first of them the entry."""
    roles = _roles(rng, services)
    leaf = tuple(role in LEAVES for role in roles)
    calls = draw_calls(rng, leaf, shape)
    names = draw_names(rng, services)
    nodes = _node_names(rng, max(1, round(services / float(np.exp(rng.uniform(np.log(2), np.log(14)))))))
    pods, pod_names = _pods(rng, names, leaf)
    pace = float(np.exp(rng.normal(0, 0.6)))
    operations = [op for s in range(services) for op in _operations(rng, s, names[s], leaf[s], s == 0, pace)]
    threads = float(rng.choice([0.0, 0.5, 1.0], p=[0.35, 0.2, 0.45]))
    return System(
        names=tuple(names),
        roles=roles,
        calls=calls,
        manners=_manners(rng, calls, leaf, 0.7 if shape is Shape.EVENTS else 0.04),
        one_thread=tuple(bool(rng.random() < threads) and not is_leaf for is_leaf in leaf),
        pods=pods,
        pod_names=pod_names,
        pod_service=tuple(s for s, its in enumerate(pods) for _ in its),
        pod_node=tuple(int(n) for n in rng.integers(len(nodes), size=len(pod_names))),
        nodes=nodes,
        operations=tuple(operations),
        asked=tuple(tuple(i for i, op in enumerate(operations) if op.service == s) for s in range(services)),
        style=random_style(rng),
    )


def _roles(rng: np.random.Generator, services: int) -> tuple[Role, ...]:
    leaves = max(1, round(services * rng.uniform(0.05, 0.3))) if services >= 4 else 0
    kinds = [LEAVES[int(rng.random() < 0.4)] for _ in range(leaves)]
    return (Role.ENTRY, *[Role.SERVICE] * (services - leaves - 1), *kinds)


def _node_names(rng: np.random.Generator, count: int) -> tuple[str, ...]:
    head = str(rng.choice(["node-", "worker-", "host-", "vm-", "ip-10-0-0-"]))
    return tuple(f"{head}{i}" for i in rng.permutation(max(90, count))[:count] + 10)


def _manners(
    rng: np.random.Generator, calls: tuple[tuple[int, ...], ...], leaf: tuple[bool, ...], messages: float
) -> dict[tuple[int, int], Call]:
    """Limits are set by few, retries by fewer; the habits are those of the system."""
    limited, retried = float(rng.uniform(0, 0.9)), float(rng.choice([0.0, 0.15, 0.4]))
    limit_us = float(np.exp(rng.uniform(np.log(5e5), np.log(6e6))))
    usual_us = float(rng.choice(LONG_LIMITS_US))
    manners: dict[tuple[int, int], Call] = {}
    for caller, callees in enumerate(calls):
        for callee in callees:
            message = not leaf[callee] and caller > 0 and bool(rng.random() < messages)
            manners[caller, callee] = Call(
                limit_us=limit_us * float(rng.uniform(0.5, 1)) if rng.random() < limited else usual_us,
                again=not message and bool(rng.random() < retried),
                tolerated=bool(rng.random() < 0.15),
                message=message,
            )
    return manners


def _pods(
    rng: np.random.Generator, names: list[str], leaf: tuple[bool, ...]
) -> tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]:
    pods: list[tuple[int, ...]] = []
    pod_names: list[str] = []
    many = [0.85, 0.12, 0.03] if rng.random() < 0.5 else [0.5, 0.35, 0.15]
    numbered = bool(rng.random() < 0.4)
    for name, is_leaf in zip(names, leaf, strict=True):
        replicas = 1 if is_leaf else int(rng.choice([1, 2, 3], p=many))
        suffixes = [f"{rng.integers(16**9):09x}-{rng.integers(16**5):05x}" for _ in range(replicas)]
        pods.append(tuple(range(len(pod_names), len(pod_names) + replicas)))
        pod_names += [f"{name}-{i}" if numbered else f"{name}-{suffix}" for i, suffix in enumerate(suffixes)]
    return tuple(pods), tuple(pod_names)


_VERBS = ("get", "list", "create", "update", "find", "check", "compute", "load", "submit", "render")


def _operations(
    rng: np.random.Generator, service: int, name: str, leaf: bool, entry: bool, pace: float
) -> list[Operation]:
    median_us = pace * float(np.exp(rng.normal(np.log(900 if leaf else 4000), 0.8)))
    verbs = rng.permutation(_VERBS)[: int(rng.integers(2, 5)) if entry else int(rng.integers(1, 4))]
    statements = rng.permutation(STATEMENTS)
    return [
        Operation(
            service=service,
            name=str(statements[i]) if leaf else f"/{name}/{verb}",
            self_us=median_us * float(np.exp(rng.normal(0, 0.4))),
            sigma=float(rng.uniform(0.15, 0.7)),
            line=f"{verb} finished for id {{}}" if not leaf and rng.random() < 0.7 else "",
        )
        for i, verb in enumerate(verbs)
    ]
