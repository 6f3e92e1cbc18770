"""The same case under other names: whatever an answer owes to a name shows as a difference.

Every service, pod and node gets a fresh neutral name, consistently in the columns that identify components, in the
alert and in the truth. Free text (log bodies, operations, summaries) keeps its words: replacing parts of it would
change what the text says, not whom it is about. The copy has no truth.json.
"""

import json
import random
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from model_store.cases import read_truth
from model_store.evaluate.run import Source, renamed
from service.domain.component import EDGE_ARROW, Component
from service.errors import CaseError
from service.grader.truth import TrueCause, Truth

IDENTITIES = {
    "spans": ("service", "pod", "node"),
    "logs": ("service", "pod", "node"),
    "metrics": ("component", "service"),
    "topology": ("source", "target"),
    "changes": ("service",),
}
"""The columns of each table that name components."""

LETTERS = "bcdfghjklmnpqrstvwxz"


@contextmanager
def permuted(directory: Path) -> Iterator[Source]:
    """The case under fresh names, in a directory that is gone afterwards. Raises `CaseError` if it cannot be read."""
    truth = read_truth(directory)
    with tempfile.TemporaryDirectory(prefix="hypocenter-permuted-") as temporary:
        target = Path(temporary) / "case"
        fresh = permute_case(directory, target)
        causes = (
            TrueCause(Component(cause.component.kind, renamed(cause.component.name, fresh)), cause.fault)
            for cause in truth.causes
        )
        yield Source(target, Truth(tuple(causes)), {new: old for old, new in fresh.items()})


def permute_case(source: Path, target: Path, seed: int = 0) -> dict[str, str]:
    """Write the case under fresh names and without its truth; gives old name → new name."""
    try:
        told = json.loads((source / "case.json").read_bytes())
        tables = {name: pq.read_table(source / f"{name}.parquet") for name in IDENTITIES if _is_there(source, name)}
    except (OSError, ValueError, pa.ArrowException) as error:
        raise CaseError(f"{source}: cannot be renamed: {str(error).splitlines()[0]}") from None
    fresh = fresh_names(_names(tables), seed)
    target.mkdir(parents=True)
    for name, table in tables.items():
        pq.write_table(_rename_table(table, IDENTITIES[name], fresh), target / f"{name}.parquet")
    told["alert"] = _rename_values(told.get("alert"), fresh)
    (target / "case.json").write_text(json.dumps(told))
    return fresh


def fresh_names(names: Iterable[str], seed: int) -> dict[str, str]:
    """A name of random letters for each, in no order that the old ones have; the seed decides."""
    chance = random.Random(seed)  # noqa: S311
    fresh: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        while (new := "x" + "".join(chance.choices(LETTERS, k=9))) in taken:
            pass
        taken.add(new)
        fresh[name] = new
    return fresh


def _is_there(source: Path, name: str) -> bool:
    return (source / f"{name}.parquet").exists()


def _names(tables: Mapping[str, pa.Table]) -> dict[str, None]:
    """All names in the identifying columns, the ends of edges for themselves."""
    names: dict[str, None] = {}
    for name, table in tables.items():
        for column in IDENTITIES[name]:
            for value in table[column].unique().to_pylist() if column in table.column_names else ():
                names.update(dict.fromkeys(end for end in str(value or "").split(EDGE_ARROW) if end))
    return names


def _rename_table(table: pa.Table, columns: Iterable[str], fresh: Mapping[str, str]) -> pa.Table:
    for column in columns:
        if (place := table.schema.get_field_index(column)) >= 0:
            values = [None if v is None else renamed(str(v), fresh) for v in table[column].to_pylist()]
            table = table.set_column(place, column, pa.array(values, pa.string()))
    return table


def _rename_values(value: object, fresh: Mapping[str, str]) -> object:
    """A JSON value in which every string that is a name, as a whole, is the new one."""
    match value:
        case dict():
            return {key: _rename_values(inner, fresh) for key, inner in value.items()}
        case list():
            return [_rename_values(inner, fresh) for inner in value]
        case str():
            return fresh.get(value, value)
        case _:
            return value
