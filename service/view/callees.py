"""Callees that write no spans: whom client spans name by their attributes, told apart from what telemetry knows."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pyarrow as pa

from service.domain import names
from service.evidence.lineage import Bools, Ints, calling, codes, crossings, parent_rows
from service.evidence.spans import most_frequent
from service.evidence.tables import Compared, Tables

MOST: Final = 60
"""Callees without spans that are components of their own, those that are called most; crawlers call thousands."""

Peer = tuple[str, str]
"""Name and role, as the columns of spans have them."""


def with_callees(tables: Tables) -> Tables:
    """The same with one name for each callee. One that has spans of its own is the service that wrote them, by its
    name or by who answers calls to it; the others beyond `MOST` stand together by their role.
    """
    spans = tables.spans
    if spans is None or not _any_named(spans.together):
        return tables
    table = spans.together
    renamed = _renamed(table)
    now = _with_peers(spans.now, renamed)
    return replace(tables, spans=Compared(now, None if spans.before is None else _with_peers(spans.before, renamed)))


def _any_named(table: pa.Table) -> bool:
    column: Any = table.column("peer")
    return any(column.unique().to_pylist())


def _renamed(table: pa.Table) -> dict[Peer, Peer]:
    peer, peers = _peers(table)
    own, services = codes(table.column("service"))
    parent = parent_rows(table)
    answers = _answers(table, peer, len(peers), own, parent)
    by_name = {name.casefold(): name for name in reversed(services)}
    renamed: dict[Peer, Peer] = {}
    for code, (name, role) in enumerate(peers):
        known = by_name.get(name.casefold()) or by_name.get(_first_label(name).casefold())
        if role != "queue" and (known or code in answers):
            answering = services[answers[code]] if answers.get(code, -1) >= 0 else ""
            renamed[name, role] = (known or answering, "")
    counts = Counter({peers[code]: int(n) for code, n in enumerate(np.bincount(peer, minlength=len(peers)))})
    alone = [one for one, _ in counts.most_common() if one[0] and one not in renamed and one != _others(one)]
    return renamed | {one: _others(one) for one in alone[MOST:]}


def _others(peer: Peer) -> Peer:
    """Those of its role that are called too seldom to be told apart."""
    return f"other {peer[1]}", peer[1]


def _first_label(name: str) -> str:
    """``orders`` of ``orders.shop``, as who is called within a cluster may be."""
    return name.partition(".")[0] if name.count(".") == 1 and not names.is_address(name) else name


def _answers(table: pa.Table, peer: Ints, size: int, own: Ints, parent: Ints) -> dict[int, int]:
    """For each peer whose calls have spans of another service below them, the service that answers most of them; -1
    where that is not clear: a gateway stands before many.
    """
    calls, child = calling(table), np.flatnonzero(crossings(parent, own))
    child = child[calls[parent[child]]]
    if not len(child):
        return {}
    asked, answering = peer[parent[child]], own[child]
    most = most_frequent(asked, answering, size)
    same = np.bincount(asked[answering == most[asked]], minlength=size)
    total = np.bincount(asked, minlength=size)
    return {code: int(most[code]) if 2 * same[code] > total[code] else -1 for code in np.flatnonzero(total).tolist()}


def _peers(table: pa.Table) -> tuple[Ints, list[Peer]]:
    """Of each span the code of its peer, and the peers."""
    (name, named), (role, roles) = codes(table.column("peer")), codes(table.column("peer_role"))
    pairs, code = np.unique(name * len(roles) + role, return_inverse=True)
    return code.astype(np.int64), [(named[p // len(roles)], roles[p % len(roles)]) for p in pairs.tolist()]


def _with_peers(table: Any, renamed: Mapping[Peer, Peer]) -> pa.Table:
    code, peers = _peers(table)
    shown = [renamed.get(peer, peer) for peer in peers]
    own, services = codes(table.column("service"))
    number = {name: place for place, name in enumerate(services)}
    themselves: Bools = np.array([number.get(name, -1) for name, _ in shown], np.int64)[code] == own
    for place, column in enumerate(("peer", "peer_role")):
        texts = np.array([peer[place] for peer in shown], object)[code]
        texts[themselves] = ""
        table = table.set_column(table.schema.get_field_index(column), column, pa.array(texts, pa.string()))
    return table
