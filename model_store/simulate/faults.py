"""Every kind of fault, the ways in which it comes about, and where it can strike."""

from collections.abc import Callable

import numpy as np

from model_store.simulate import ways
from model_store.simulate.executions import Executions, play
from model_store.simulate.families import Family
from model_store.simulate.impairments import fills_pool
from model_store.simulate.scene import Scene, Target
from model_store.simulate.system import LEAVES, Role, System
from model_store.simulate.ways import Strikes, Way
from model_store.simulate.workload import Ints
from service.domain.fault import Fault

FEWEST_HITS = 10
"""A fault strikes where at least so many executions would feel it: else nothing could be seen, and no alert come."""
FEWEST_RARE = 6
"""The same on a path that few requests come to: there it is severe; half as many show what is usual."""


def _announced(kind: str, said: str, *parts: Way) -> tuple[Way, ...]:
    """The same mechanisms, begun by a change that is told, mostly."""

    def begun(strike: Callable[[Scene, Target], None]) -> Callable[[Scene, Target], None]:
        def strikes(scene: Scene, target: Target) -> None:
            if scene.rng.random() < 0.9:
                ago_us = scene.between(2e5, 3e7)
                name, version = scene.system.names[target.service], int(scene.rng.integers(10, 99))
                summary = said.format(name=name, new=version, old=version - 1)
                scene.change(target.onset_us - ago_us, target.service, kind, summary)
            strike(scene, target)

        return strikes

    return tuple(Way(part.name, begun(part.strike), part.strikes, part.weight) for part in parts)


def _small_pool(scene: Scene, target: Target) -> None:
    fills_pool(scene, target, scene.felt(1.0, 8.0))


_BAD_PROGRAM = (
    Way("exception", ways.exception),
    Way("slow", ways.slow_algorithm),
    Way("wrong", ways.empty_answer, weight=0.7),
)
DEPLOYED, _CONFIGURED = "{name} 1.{new}.0 replaced 1.{old}.3", "configuration of {name} changed, revision {new}"

USUAL: dict[Fault, tuple[Way, ...]] = {
    Fault.CPU: (
        Way("burn", ways.cpu_burn, Strikes.PODS),
        Way("neighbour", ways.cpu_neighbour, Strikes.NODE, weight=0.6),
    ),
    Fault.MEMORY: (Way("leak", ways.memory_leak, Strikes.PODS),),
    Fault.DISK: (
        Way("pressure", ways.disk_pressure, Strikes.PODS),
        Way("neighbour", ways.disk_neighbour, Strikes.NODE, weight=0.3),
    ),
    Fault.NETWORK_DELAY: (
        Way("pods", ways.network_delay, Strikes.PODS),
        Way("edge", ways.network_delay, Strikes.EDGE, weight=0.4),
    ),
    Fault.NETWORK_LOSS: (
        Way("pods", ways.network_loss, Strikes.PODS),
        Way("edge", ways.network_loss, Strikes.EDGE, weight=0.6),
    ),
    Fault.SLOW: (Way("handler", ways.slow_handler), Way("algorithm", ways.slow_algorithm, weight=0.5)),
    Fault.ERROR: (Way("exception", ways.exception),),
    Fault.WRONG_RESULT: (Way("empty", ways.empty_answer), Way("unreadable", ways.bad_answer, weight=0.6)),
    Fault.LOCK: (Way("rows", ways.row_lock), Way("pool", ways.pool_lock)),
    Fault.DEPENDENCY: (Way("slow", ways.store_slow), Way("stopped", ways.store_stopped)),
    Fault.CONFIG: _announced(
        "config", _CONFIGURED, Way("limit", ways.short_limit), Way("pool", _small_pool), _BAD_PROGRAM[0]
    ),
    Fault.DEPLOY: _announced("deploy", DEPLOYED, *_BAD_PROGRAM),
    Fault.CRASH: (Way("loop", ways.crash_loop, Strikes.PODS),),
    Fault.OVERLOAD: (Way("surge", ways.overload),),
}
"""Every kind that can be simulated: all but ``unknown``."""

UNSEEN: dict[Fault, tuple[Way, ...]] = {
    Fault.CPU: (Way("quota", ways.cpu_quota, Strikes.PODS),),
    Fault.MEMORY: (Way("killed", ways.memory_killed, Strikes.PODS),),
    Fault.DISK: (Way("full", ways.disk_full, Strikes.PODS),),
    Fault.NETWORK_DELAY: (Way("node", ways.network_delay, Strikes.NODE),),
    Fault.NETWORK_LOSS: (Way("node", ways.network_loss, Strikes.NODE),),
    Fault.SLOW: (Way("tail", ways.slow_tail),),
    Fault.ERROR: (Way("silent", ways.silent_error),),
    Fault.WRONG_RESULT: (Way("empty", ways.empty_answer),),
    Fault.LOCK: (Way("mutex", ways.mutex),),
    Fault.DEPENDENCY: (Way("refuses", ways.store_refuses),),
    Fault.CONFIG: _announced("config", _CONFIGURED, Way("wrong", ways.empty_answer)),
    Fault.DEPLOY: _announced("deploy", DEPLOYED, Way("memory", ways.memory_leak), Way("silent", ways.silent_error)),
    Fault.CRASH: (Way("gone", ways.crash_for_good, Strikes.PODS),),
    Fault.OVERLOAD: (Way("surge", ways.overload),),
}
"""Mechanisms that training never sees; where a kind has no other, its usual one."""

FIELD: dict[Fault, tuple[Way, ...]] = USUAL | {
    Fault.CPU: (Way("replica", ways.cpu_burn, Strikes.REPLICA), *USUAL[Fault.CPU]),
    Fault.SLOW: (
        Way("replica", ways.slow_handler, Strikes.REPLICA),
        Way("rare", ways.stuck, Strikes.OPERATION),
        *USUAL[Fault.SLOW][:1],
    ),
    Fault.ERROR: (
        Way("replica", ways.exception, Strikes.REPLICA),
        Way("rare", ways.always_throws, Strikes.OPERATION),
        *USUAL[Fault.ERROR],
    ),
    Fault.WRONG_RESULT: (
        Way("lost", ways.lost_statements, weight=2.0),
        Way("lost rarely", ways.lost_statements, Strikes.OPERATION, weight=0.5),
        *USUAL[Fault.WRONG_RESULT],
    ),
    Fault.DEPLOY: (
        Way("slow pods", ways.slow_handler, Strikes.VERSION),
        Way("failing pods", ways.exception, Strikes.VERSION),
        Way("burning pods", ways.cpu_burn, Strikes.VERSION),
        Way("wrong pods", ways.empty_answer, Strikes.VERSION, weight=0.5),
        Way("lost pods", ways.lost_statements, Strikes.VERSION, weight=0.5),
    ),
}
"""Those of real installations; ways that fit nowhere in a system give place to the usual ones."""

FIELD_WEIGHTS = {Fault.DEPLOY: 5, Fault.SLOW: 3, Fault.ERROR: 3, Fault.WRONG_RESULT: 3, Fault.CPU: 2}
"""How often a kind is drawn in that family; those left out, once."""

KINDS = tuple(USUAL)

_OF_NETWORK = frozenset(["node_retransmits"])
_TOLD_BY: dict[Fault, frozenset[str]] = {kind: frozenset[str]() for kind in KINDS} | {
    Fault.CPU: frozenset(["node"]),
    Fault.DISK: frozenset(["node_disk"]),
    Fault.NETWORK_DELAY: _OF_NETWORK,
    Fault.NETWORK_LOSS: _OF_NETWORK,
}
"""Which series of a node tell of a fault that strikes it."""


def choose_way(scene: Scene, fault: Fault, family: Family, onset_us: int) -> Way:
    """One of the ways of a kind; a node is struck where it is measured, as nothing else tells of it, and where some
    telemetry tells what runs on it; a replica, a version and a rare path where there is one.
    """
    rng, style, missing = scene.rng, scene.system.style, scene.missing
    placed = not {"topology", "logs"} <= missing or (style.nodes_in_spans and "spans" not in missing)
    signs = _TOLD_BY[fault] & style.measures.keys() if placed and "metrics" not in missing else frozenset[str]()
    known = UNSEEN if family.unseen_ways else FIELD if family.field else USUAL
    candidates = [way for way in known[fault] if signs or way.strikes is not Strikes.NODE]
    candidates = [w for w in candidates if w.strikes not in _SPECIAL or _special_targets(scene, fault, w, onset_us)]
    candidates = candidates or list(USUAL[fault][:1])
    weights = np.array([way.weight for way in candidates])
    return candidates[int(rng.choice(len(candidates), p=weights / weights.sum()))]


def can_strike(fault: Fault, way: Way, system: System, service: int) -> bool:
    """Whether a fault of this kind makes sense in a service of that role and place."""
    role, leaf = system.roles[service], system.roles[service] in LEAVES
    if fault is Fault.DEPENDENCY:
        return leaf
    if fault is Fault.OVERLOAD:
        return role is Role.ENTRY
    if fault is Fault.WRONG_RESULT or way.name == "lost pods":
        return not leaf and bool(system.calls[service]) and (way.name != "unreadable" or service > 0)
    if way.strikes is Strikes.EDGE:
        return any(service in callees for callees in system.calls)
    if way.name in ("limit", "pool", "rows"):
        return bool(system.calls[service]) and not leaf
    return not leaf or fault in _OF_STORES


_OF_STORES = frozenset({Fault.CPU, Fault.MEMORY, Fault.DISK, Fault.NETWORK_DELAY, Fault.NETWORK_LOSS, Fault.CRASH})


def choose_target(scene: Scene, fault: Fault, way: Way, onset_us: int, besides: frozenset[int]) -> Target:
    """A service that the fault can strike and that enough requests visit; pods, node or caller as the way strikes."""
    rng, system = scene.rng, scene.system
    if special := _special_targets(scene, fault, way, onset_us):
        return special[int(rng.integers(len(special)))]
    # Where a version has just come, its pods' first minutes are what is seen: what breaks besides breaks elsewhere.
    besides |= {release.service for release in scene.releases}
    visits = _visits(scene, onset_us)
    fitting = [s for s in range(len(system.names)) if can_strike(fault, way, system, s)] or list(range(len(visits)))
    felt = [s for s in fitting if visits[s] >= FEWEST_HITS] or [max(fitting, key=lambda s: visits[s])]
    felt = [s for s in felt if _told(scene, s)] or felt
    service = int(rng.choice([s for s in felt if s not in besides] or felt))
    pods = system.pods[service]
    match way.strikes:
        case Strikes.NODE:
            node = system.pod_node[int(rng.choice(pods))]
            its = tuple(pod for pod, where in enumerate(system.pod_node) if where == node)
            return Target(service, its, onset_us, node=node)
        case Strikes.EDGE:
            callers = [s for s, callees in enumerate(system.calls) if service in callees]
            return Target(service, pods, onset_us, caller=int(rng.choice(callers)) if callers else None)
        case Strikes.PODS if rng.random() < 0.5:
            return Target(service, (int(rng.choice(pods)),), onset_us)
        case _:
            return Target(service, pods, onset_us)


_SPECIAL = frozenset({Strikes.REPLICA, Strikes.VERSION, Strikes.OPERATION})


def _special_targets(scene: Scene, fault: Fault, way: Way, onset_us: int) -> list[Target]:
    """All that a way of the field family can strike: a replica with healthy siblings, the pods of a version that came
    at the onset, the rare operation. None for other ways.
    """
    system, visits = scene.system, pod_visits(scene.now, onset_us, len(scene.system.pod_names))
    fitting = {s for s in range(len(system.names)) if can_strike(fault, way, system, s)}
    match way.strikes:
        case Strikes.VERSION:
            bad = [r for r in scene.releases if r.since_us[0] == onset_us and r.service in fitting]
            return [Target(r.service, r.new, onset_us) for r in bad if visits[list(r.new)].sum() >= FEWEST_HITS]
        case Strikes.REPLICA:
            places = fitting - {r.service for r in scene.releases}
            several = [s for s in sorted(places) if len(system.pods[s]) > 1]
            pods = [(s, pod) for s in several for pod in system.pods[s] if visits[pod] >= FEWEST_HITS]
            return [Target(s, (pod,), onset_us) for s, pod in pods]
        case Strikes.OPERATION if scene.rare is not None and "spans" not in scene.missing:
            service = system.operations[scene.rare].service
            target = Target(service, system.pods[service], onset_us, operation=scene.rare)
            felt = sum(int((hit & play(x).served).sum()) for x, hit in scene.hits(target))
            usual = sum(int(play(x).served[:, x.journey.operations == scene.rare].sum()) for x in scene.before)
            seen = min(felt, 2 * usual) * scene.traced
            return [target] if seen >= FEWEST_RARE and service in fitting else []
        case _:
            return []


def pod_visits(now: list[Executions], onset_us: int, pods: int) -> Ints:
    """How many executions each of so many pods has after the onset."""
    visits = np.zeros(pods, np.int64)
    for x in now:
        made = x.made & (x.arrived_us >= onset_us)[:, None] & (x.journey.again_of < 0)
        visits += np.bincount(x.pod[made], minlength=pods)
    return visits


def _told(scene: Scene, service: int) -> bool:
    """Whether anything tells of a service at all: a store that records no spans is known from series, or from calls
    of services that have no other such store.
    """
    system, style = scene.system, scene.system.style
    if system.roles[service] not in LEAVES or style.leaf_spans:
        return True
    if "edge_latency" in style.measures and "metrics" not in scene.missing:
        return True
    stores = [sum(system.roles[s] in LEAVES for s in callees) for callees in system.calls if service in callees]
    return "spans" not in scene.missing and stores.count(1) * 2 > len(stores)


def _visits(scene: Scene, onset_us: int) -> np.ndarray:
    """How many executions each service has after the onset."""
    visits = np.zeros(len(scene.system.names))
    for x in scene.now:
        made = x.made & (x.arrived_us >= onset_us)[:, None] & (x.journey.again_of < 0)
        visits += np.bincount(x.services(), made.sum(axis=0), len(visits))
    return visits
