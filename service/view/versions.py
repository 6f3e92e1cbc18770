"""Versions of one service: what a rollout, a canary or a change of name makes look like two services.

A name alone proves nothing. Two services are one where the same callers ask them for the same operations, and either
one took the other's place, or they have a name but for a version in common and call the same.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from service.domain import names
from service.evidence.spans import codes, parent_rows
from service.evidence.tables import Compared, Tables
from service.view.identity import renamed, with_column

ALIKE = 0.5
"""The part of their operations, together, that two versions have in common at least."""


@dataclass(slots=True)
class _Service:
    """What a service is asked for, by whom, and whom it asks, but for versions; when it was there."""

    operations: set[str] = field(default_factory=set[str])
    callers: set[str] = field(default_factory=set[str])
    callees: set[str] = field(default_factory=set[str])
    now: bool = False
    before: bool = False

    def asked_alike(self, other: "_Service") -> bool:
        """Whether the same callers ask both for the same: at an edge nobody is seen to call."""
        common, either = self.operations & other.operations, self.operations | other.operations
        return bool(common) and len(common) >= ALIKE * len(either) and self.callers == other.callers

    @property
    def always(self) -> bool:
        """Whether it was there then and now."""
        return self.now and self.before


def with_versions(tables: Tables) -> tuple[Tables, tuple[str, ...]]:
    """The tables with versions as instances of their service (a span without a pod gets its version as one), and notes
    that say so.
    """
    if tables.spans is None or tables.spans.before is None:
        return tables, ()
    one = _one_name(_services(tables.spans))
    if not one:
        return tables, ()
    spans = tables.spans
    with_pods = Compared(_pods(spans.now, one), None if spans.before is None else _pods(spans.before, one))
    notes = tuple(f"{old} is looked at as instances of {new}" for old, new in one.items() if old != new)
    return renamed(replace(tables, spans=with_pods), lambda name: one.get(name, name)), notes


def _services(spans: Compared) -> dict[str, _Service]:
    table = spans.together
    service, services = codes(table.column("service"))
    operation, operations = codes(table.column("operation"))
    parent = parent_rows(table)
    known = {name: _Service() for name in services}
    now = np.arange(len(table)) < len(spans.now)
    seen: list[tuple[int, int]] = np.unique(np.stack([service, now]), axis=1).T.tolist()
    for code, is_now in seen:
        setattr(known[services[code]], "now" if is_now else "before", True)
    caller = np.where(parent >= 0, service[parent], -1)
    entering = np.flatnonzero(caller != service)
    triples = np.stack([caller[entering], service[entering], operation[entering]])
    asked: list[tuple[int, int, int]] = np.unique(triples, axis=1).T.tolist()
    for above, own, name in asked:
        known[services[own]].operations.add(operations[name])
        if above >= 0:
            known[services[own]].callers.add(names.without_version(services[above]))
            known[services[above]].callees.add(names.without_version(services[own]))
    return known


def _one_name(known: Mapping[str, _Service]) -> dict[str, str]:
    """The name of the service that each version or former name belongs to."""
    one = dict(_versions(known))
    return {**dict(_successors({name: s for name, s in known.items() if name not in one})), **one}


def _versions(known: Mapping[str, _Service]) -> Iterator[tuple[str, str]]:
    families: dict[str, list[str]] = {}
    for name in known:
        families.setdefault(names.without_version(name), []).append(name)
    for base, members in families.items():
        for name in members if len(members) > 1 else ():
            if any(_one(known[name], known[other]) for other in members if other != name):
                yield name, base


def _one(service: _Service, other: _Service) -> bool:
    """Whether two versions are of one service: where both are there all the time, they call the same."""
    if not service.asked_alike(other):
        return False
    return service.callees == other.callees or not (service.always and other.always)


def _successors(known: Mapping[str, _Service]) -> Iterator[tuple[str, str]]:
    """Those that went, by the name of the only one that came for the same."""
    gone = [name for name, s in known.items() if s.before and not s.now]
    came = [name for name, s in known.items() if s.now and not s.before]
    pairs = [(old, new) for old in gone for new in came if known[old].callers and known[old].asked_alike(known[new])]
    olds, news = Counter(old for old, _ in pairs), Counter(new for _, new in pairs)
    yield from ((old, new) for old, new in pairs if olds[old] == news[new] == 1)


def _pods(table: pa.Table, one: Mapping[str, str]) -> pa.Table:
    rows: Any = zip(table.column("service").to_pylist(), table.column("pod").to_pylist(), strict=True)
    pods = [pod or (name if name in one else "") for name, pod in rows]
    return with_column(table, "pod", pa.array(pods, pa.string()))
