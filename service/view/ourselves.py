from dataclasses import replace

import pyarrow as pa

from service.evidence.tables import Tables
from service.telemetry.name import ours


def without_ourselves(tables: Tables) -> Tables:
    """The same without our own rollouts, and without our place among the others, whoever told of them: what we do is
    the cause of nobody's trouble. A node may be called as we are.
    """
    changes, topology = tables.changes, tables.topology
    nodes = set[str]() if topology is None else _nodes(topology)
    if changes is not None:
        changes = _without(changes, "service", nodes)
    if topology is not None:
        topology = _without(_without(topology, "source", set()), "target", nodes)
    return replace(tables, changes=changes, topology=topology)


def _nodes(topology: pa.Table) -> set[str]:
    rows = zip(topology.column("relation").to_pylist(), topology.column("target").to_pylist(), strict=True)
    return {str(target) for relation, target in rows if relation == "runs_on"}


def _without(table: pa.Table, column: str, but: set[str]) -> pa.Table:
    names = map(str, table.column(column).to_pylist())
    return table.filter(pa.array([not ours(name) or name in but for name in names], pa.bool_()))
