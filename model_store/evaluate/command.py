"""What ``hypocenter-models evaluate`` does."""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from model_store.cases import find_cases
from model_store.evaluate.baselines.registry import BARO, BASELINES
from model_store.evaluate.earlier import add_earlier, agreement, read_earlier
from model_store.evaluate.methods import MODELS, NO_MODEL, STATISTICAL, ablations, methods, opened, row_name
from model_store.evaluate.move_alert import with_alerts_moved
from model_store.evaluate.permute import permuted
from model_store.evaluate.report import document
from model_store.evaluate.results import Evaluation
from model_store.evaluate.run import Open, as_recorded, evaluate
from model_store.evaluate.table import comparison_table, confidence_table, fault_table, system_tables, usage_table
from model_store.memory import peak_rss_mb
from service.agent.budget import Budget
from service.domain.localization import RankedBy
from service.errors import CallerError, CaseError
from service.extras import absent
from service.ports import ChatModel

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to evaluate. ``rank`` chooses the method that stands at the top of the JSON; None takes the best part that
    the model allows. ``model`` "" takes the rules for their rows and the statistical rank for the top.
    """

    roots: Sequence[Path]
    rank: RankedBy | None = None
    model: str = ""
    limit: int | None = None
    json_file: Path | None = None
    baselines: bool = True
    ablate: bool = False
    permute_names: bool = False
    depth: int | None = None
    """How deep the model may investigate; 0 is one conversation, the published linear plan."""
    earlier: Path | None = None
    """Figures of an earlier run on the same cases (its ``--json``), to be compared with case by case."""
    move_alerts_s: float = 0.0
    """Evaluate as if alerts had begun so much later."""


def run(wanted: Wanted, say: Say) -> Evaluation:
    """Evaluate, print the tables, write the JSON. Raises `CallerError` where there is nothing to evaluate."""
    model, fusion = opened(wanted.model or next(iter(MODELS)))
    chosen = _chosen(wanted, model)
    earlier = None if wanted.earlier is None else read_earlier(wanted.earlier)
    directories = find_cases(wanted.roots)[: wanted.limit]
    budget = Budget() if wanted.depth is None else replace(Budget(), depth=wanted.depth)
    ours = methods(model, budget, fusion)
    missing = [BARO] if wanted.baselines and absent("evaluation") else []
    baselines = {n: b for n, b in BASELINES.items() if n not in missing} if wanted.baselines else {}
    ablated = ablations(Budget()) if wanted.ablate else {}
    evaluation = asyncio.run(
        evaluate(
            directories,
            ours | ablated,
            baselines,
            on_broken=lambda _, reason: print(f"broken case: {reason}", file=sys.stderr),
            source_of=_source_of(wanted),
        )
    )
    peak_mb = peak_rss_mb()
    if wanted.json_file is not None:
        _write(wanted.json_file, document(evaluation, chosen, [*ours, *ablated], list(baselines), peak_mb))
    if not evaluation.results:
        raise CaseError(f"none of {len(directories)} cases could be read")
    others = [*baselines]
    if earlier is not None:
        add_earlier(evaluation, earlier)
        others.append(earlier.name)
    say(system_tables(evaluation, [*ours, *others], missing))
    say("\nBy kind of fault, all cases\n")
    say(fault_table(evaluation.results, list(ours)))
    say("\nConfidence, all cases\n")
    say(confidence_table(evaluation.results, list(ours)))
    if model is not None:
        say("\nWhat the model does, all cases\n")
        say(usage_table(evaluation.results, list(ours)))
    if ablated:
        say("\nThe statistical rank by its kinds of evidence\n")
        say(system_tables(evaluation, [STATISTICAL, *ablated]))
    say("\nPaired, all cases\n")
    say(comparison_table(evaluation.results, chosen, [n for n in (*ours, *others) if n != chosen]))
    if earlier is not None and (agreed := agreement(evaluation, chosen, earlier)):
        say(f"\n{agreed}")
    if model is not None:
        say("\n" + comparison_table(evaluation.results, row_name(model.identity.name, RankedBy.MODEL), [STATISTICAL]))
    say(
        f"\n{len(evaluation.results)} cases, {len(evaluation.broken)} broken. Ours: seconds from the first question to "
        f"a store to the answer; baselines: their own. Peak memory of the whole run {peak_mb:.0f} MiB."
    )
    return evaluation


def _source_of(wanted: Wanted) -> Open:
    """How cases are opened. Raises `CallerError` for two changes at once."""
    if wanted.permute_names and wanted.move_alerts_s:
        raise CallerError("--permute-names and --move-alerts: one change at a time shows what each costs; choose one")
    if wanted.permute_names:
        return permuted
    return with_alerts_moved(wanted.move_alerts_s) if wanted.move_alerts_s else as_recorded


def _chosen(wanted: Wanted, model: ChatModel | None) -> str:
    """The row at the top of the JSON."""
    rank = wanted.rank or (RankedBy.STATISTICAL if wanted.model in ("", NO_MODEL) else RankedBy.FUSED)
    if rank is not RankedBy.STATISTICAL and model is None:
        raise CallerError(f"--rank {rank} needs a model: --model {' or '.join(MODELS)}, not {NO_MODEL}")
    return row_name(model.identity.name if model is not None else NO_MODEL, rank)


def _write(path: Path, content: dict[str, object]) -> None:
    try:
        path.write_text(json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise CallerError(f"--json {path}: cannot be written: {error.strerror}") from None
