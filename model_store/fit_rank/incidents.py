"""Labelled incidents as the fit needs them: what speaks against each component, computed once, and which are true."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from model_store.cases import find_cases, read_truth
from model_store.evaluate.run import open_case
from model_store.train.incidents import stripped
from service.domain.component import Component
from service.errors import CallerError
from service.evidence.assess import assess
from service.grader.truth import collapse, true_components
from service.rank.constants import RankConstants
from service.rank.naming import named
from service.rank.statistical import component_symptoms, rank
from service.rank.symptoms import Symptoms
from service.view.view import View

SIGNALS = ("spans", "logs", "metrics")


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident with a cause, or a variant of it: from which origin, and what was recorded (``traced``, else not).
    ``true`` are the components that count as its cause.
    """

    origin: str
    variant: str
    traced: bool
    view: View
    symptoms: Mapping[Component, Symptoms]
    true: frozenset[Component]


def load(origin: str, directory: Path, variants: bool) -> Iterator[Incident]:
    """All incidents with a cause below a directory, as recorded and, if ``variants`` are wanted, without each of their
    signals. Raises `CallerError` where there is none.
    """
    cases = find_cases([directory])
    if not cases:
        raise CallerError(f"{directory}: no cases below it; expected directories with case.json and truth.json")
    for case in cases:
        yield from _incidents(origin, case, variants)


def _incidents(origin: str, directory: Path, variants: bool) -> Iterator[Incident]:
    truth = read_truth(directory)
    if not truth.causes:
        return
    view = asyncio.run(open_case(directory)).view
    wanted = true_components(truth, view.graph)
    for variant, seen in _variants(view, variants):
        symptoms = component_symptoms(seen, RankConstants())
        # As an answer calls them: a suspect may be named by the calls to it, which count as one of their ends.
        suspects = rank(seen)
        true = frozenset(s.component for s in suspects if collapse(named(seen, s), truth, seen.graph) in wanted)
        yield Incident(
            origin, variant, seen.tables.spans is not None, replace(stripped(seen), evidence=()), symptoms, true
        )


def _variants(view: View, wanted: bool) -> Iterable[tuple[str, View]]:
    yield "as recorded", view
    there = [signal for signal in SIGNALS if getattr(view.tables, signal) is not None]
    for signal in there if wanted and len(there) > 1 else ():
        tables = replace(view.tables, **{signal: None})
        assessment = assess(tables, view.graph)
        fresh = {"evidence": assessment.evidence, "calls": assessment.calls, "new_pods": assessment.new_pods}
        yield f"without {signal}", replace(view, tables=tables, onset=assessment.onset, **fresh)


def origins_of(directories: Iterable[Path]) -> list[tuple[str, Path]]:
    """A name for each directory. Raises `CallerError` for two of the same name."""
    named = [(directory.name, directory) for directory in directories]
    if len({name for name, _ in named}) < len(named):
        raise CallerError(f"{', '.join(name for name, _ in named)}: origins need different names; rename a directory")
    return named
