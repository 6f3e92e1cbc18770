"""One name for one service in all tables of an incident. Stores write ``namespace/name`` where they know the namespace
(`service.ports.Telemetry`); here the namespace goes where it tells nothing apart.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa

from service.domain import names
from service.domain.component import EDGE_ARROW
from service.domain.evidence import Evidence
from service.domain.graph import ServiceGraph
from service.evidence.tables import Compared, Tables

Rename = Callable[[str], str]

_NAMING: Final = {"spans": ("service",), "logs": ("service",), "metrics": ("service", "component")}
_ALONE: Final = {"topology": ("source", "target"), "changes": ("service",)}


def renamed(tables: Tables, rename: Rename) -> Tables:
    """The tables with every service, also at either end of calls, called as ``rename`` says."""

    def ends(name: str) -> str:
        caller, arrow, callee = name.partition(EDGE_ARROW)
        return f"{rename(caller)}{arrow}{rename(callee)}" if arrow else rename(name)

    compared = {name: _both(getattr(tables, name), columns, ends) for name, columns in _NAMING.items()}
    alone = {name: _columns(getattr(tables, name), columns, ends) for name, columns in _ALONE.items()}
    return replace(tables, **compared, **alone)


def in_namespaces(tables: Tables) -> tuple[Tables, Mapping[str, str]]:
    """The tables with plain names where one namespace alone has a service of that name, and the namespaces of services.

    Of several signals the first that tells a namespace of a name says which there are: signals may mean other things by
    the word. A record without a namespace belongs to the service that its pod belongs to.
    """
    known = _namespaces(tables)
    if not known:
        return tables, {}
    apart = {name: spaces for name, spaces in known.items() if len(spaces) > 1}
    owners = _owners(tables, apart)

    def rename(name: str) -> str:
        namespace, own = names.parted(name)
        return name if namespace in apart.get(own, ()) else own

    plain = renamed(_by_pods(tables, owners, apart), rename)
    alone = {name: next(iter(spaces)) for name, spaces in known.items() if name not in apart}
    return plain, alone | {names.joined(space, name): space for name, spaces in apart.items() for space in spaces}


def about_named(evidence: Iterable[Evidence], graph: ServiceGraph) -> tuple[Evidence, ...]:
    """The evidence about services that have a name: what nobody named is missing data, and nobody to blame."""
    kept = [row for row in evidence if not names.is_missing(graph.owner(row.component).name)]
    return tuple(replace(row, id=f"e{number}") for number, row in enumerate(kept))


def _namespaces(tables: Tables) -> dict[str, frozenset[str]]:
    """The namespaces of each service, by its own name."""
    known: dict[str, frozenset[str]] = {}
    for services in _service_names(tables):
        here: dict[str, set[str]] = {}
        for namespace, own in map(names.parted, services):
            if namespace:
                here.setdefault(own, set()).add(namespace)
        known = {name: frozenset(spaces) for name, spaces in here.items()} | known
    return known


def _service_names(tables: Tables) -> Iterator[Sequence[str]]:
    for compared in (tables.spans, tables.logs, tables.metrics):
        if compared is not None:
            yield _distinct(compared.together.column("service"))
    if tables.topology is not None:
        yield [*_distinct(tables.topology.column("source")), *_distinct(tables.topology.column("target"))]


def _owners(tables: Tables, apart: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """The service of each pod, of those that are told apart."""
    if not apart or tables.spans is None:
        return {}
    spans = tables.spans.together
    pairs = set(zip(spans.column("pod").to_pylist(), spans.column("service").to_pylist(), strict=True))
    return {str(pod): str(owner) for pod, owner in pairs if pod and names.parted(str(owner))[1] in apart}


def _by_pods(tables: Tables, owners: Mapping[str, str], apart: Mapping[str, frozenset[str]]) -> Tables:
    if not owners:
        return tables
    return replace(
        tables,
        logs=_each(tables.logs, lambda table: _of_pods(table, "pod", owners, apart)),
        metrics=_each(tables.metrics, lambda table: _of_pods(table, "component", owners, apart)),
    )


def _of_pods(table: pa.Table, column: str, owners: Mapping[str, str], apart: Mapping[str, frozenset[str]]) -> pa.Table:
    rows: Any = zip(table.column("service").to_pylist(), table.column(column).to_pylist(), strict=True)
    services = [owners.get(pod, name) if names.parted(name)[1] in apart else name for name, pod in rows]
    return with_column(table, "service", pa.array(services, pa.string()))


def _each(compared: Compared | None, change: Callable[[pa.Table], pa.Table]) -> Compared | None:
    if compared is None:
        return None
    return Compared(change(compared.now), None if compared.before is None else change(compared.before))


def _both(compared: Compared | None, columns: Sequence[str], rename: Rename) -> Compared | None:
    return _each(compared, lambda table: _columns(table, columns, rename) or table)


def _columns(table: pa.Table | None, columns: Sequence[str], rename: Rename) -> pa.Table | None:
    if table is None:
        return None
    for column in columns:
        whole: Any = table.column(column)
        written: Any = whole.combine_chunks().dictionary_encode()
        old: list[str] = written.dictionary.to_pylist()
        new = [rename(name) for name in old]
        if new != old:
            table = with_column(table, column, pa.array(new, pa.string()).take(written.indices))
    return table


def with_column(table: Any, name: str, values: Any) -> pa.Table:
    """The table with other values in that column."""
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(place), values)


def _distinct(column: Any) -> list[str]:
    return column.unique().to_pylist()
