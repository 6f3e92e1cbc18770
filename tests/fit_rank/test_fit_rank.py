import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_store.evaluate.run import open_case
from model_store.fit_rank.fit import FORMS, fit, share_of_true, weighed
from model_store.fit_rank.incidents import Incident, load
from model_store.fit_rank.protocol import Outcome, accuracy, is_better, leave_origins_out
from model_store.fit_rank.report import report, row
from service.domain.component import service
from service.domain.graph import ServiceGraph
from service.errors import CallerError
from service.evidence.tables import Tables
from service.rank.channels import Channel
from service.rank.statistical import rank
from service.rank.symptoms import Symptoms
from service.view.view import View
from tests.conftest import CaseFactory
from tests.telemetry_rows import at, incident

LEARNED, GATED = FORMS


def _incident(origin: str, true: str, traced: bool = True, **shown: dict[Channel, float]) -> Incident:
    view = View(incident(), Tables(at(10)), ServiceGraph(tuple(shown)), (), None)
    symptoms = {service(name): Symptoms(channels=dict(channels)) for name, channels in shown.items()}
    return Incident(origin, "as recorded", traced, view, symptoms, frozenset({service(true)}))


def _lying(origin: str, number: int = 6, traced: bool = True) -> list[Incident]:
    """Incidents in which whoever uses more of a resource is never the cause, though it shows most."""
    shown = {"a": {Channel.SELF: 2.0}, "b": {Channel.RESOURCE: 3.0}}
    return [_incident(origin, "a", traced, **shown) for _ in range(number)]


def test_without_weights_it_is_the_rank_in_use(synthetic_case: CaseFactory, tmp_path: Path) -> None:
    for seed in range(3):
        synthetic_case(seed=seed).write(tmp_path / f"case-{seed}")
    for one in load("synthetic", tmp_path, variants=False):
        scores = weighed(one, {})
        evidence = _view_of(tmp_path, one)
        assert [s.component for s in rank(evidence)] == sorted(scores, key=lambda c: -scores[c])


def _view_of(directory: Path, wanted: Incident) -> View:
    """The view of the incident with its evidence, which the fit throws away."""
    views = (asyncio.run(open_case(case)).view for case in sorted(directory.iterdir()))
    return next(view for view in views if view.incident.id == wanted.view.incident.id)


def test_a_channel_that_lies_is_learned_to_count_less() -> None:
    incidents = [*_lying("one"), *_lying("two")]
    weights = fit(incidents, (), LEARNED, ridge=0.02)
    assert weights.get((True, Channel.RESOURCE), 0.0) < weights.get((True, Channel.SELF), 0.0)
    assert accuracy(incidents, {})[0] == 0
    assert accuracy(incidents, weights)[0] == 1


def test_a_strong_ridge_leaves_everything_as_it_is() -> None:
    assert not any(fit(_lying("one"), (), LEARNED, ridge=1e3).values())


def test_gates_learn_of_incidents_without_traces_apart() -> None:
    weights = fit([*_lying("one", traced=False)], (), GATED, ridge=0.02)
    assert weights.get((False, Channel.RESOURCE), 0.0) < 0
    assert weights.get((True, Channel.RESOURCE), 0.0) == 0


def test_simulated_incidents_never_outvote_the_recorded_ones() -> None:
    honest = [_incident("one", "b", a={Channel.SELF: 2.0}, b={Channel.RESOURCE: 3.0}) for _ in range(3)]
    weights = fit(honest, _lying("simulated", 300), LEARNED, ridge=0.02)
    assert accuracy(honest, weights)[0] == 1


@given(st.lists(st.booleans(), min_size=3, max_size=3))
def test_what_is_left_out_has_no_say_in_what_it_is_scored_by(wrong: list[bool]) -> None:
    others = [*_lying("two", 2), *_lying("three", 2)]
    held = [
        replace(one, true=frozenset({service("b" if w else "a")}))
        for one, w in zip(_lying("one", 3), wrong, strict=True)
    ]
    outcome = next(leave_origins_out([*held, *others], (), {}))
    assert outcome.origin == "one"
    assert outcome.weights == next(leave_origins_out([*_lying("one", 3), *others], (), {})).weights


def test_an_incident_that_cannot_be_known_does_not_decide() -> None:
    unknown = _incident("one", "c", a={Channel.SELF: 2.0}, b={Channel.RESOURCE: 3.0})
    assert share_of_true(unknown, {}) == pytest.approx(1e-3)


@pytest.mark.parametrize(("gains", "better"), [((0.05, 0.05), True), ((0.2, -0.04), False), ((0.02, 0.02), False)])
def test_it_is_better_only_by_enough_and_nowhere_worse(gains: tuple[float, float], better: bool) -> None:
    outcomes = [Outcome(str(g), 10, (0.5, 0.5), (0.5 + g, 0.5), "F1", 0.1, {}) for g in gains]
    assert is_better(outcomes) is better


def test_too_few_origins_and_unknown_names_are_refused_in_one_line(tmp_path: Path) -> None:
    roots = [tmp_path / name for name in ("one", "two", "three")]
    with pytest.raises(CallerError, match="2 origins are too few"):
        next(report(roots[:2], None, (), variants=False))
    with pytest.raises(CallerError, match="no origin is called 'four'; there are one, two, three"):
        next(report(roots, None, ("four",), variants=False))
    with pytest.raises(CallerError, match="origins need different names"):
        next(report([tmp_path / "x" / "one", *roots], None, (), variants=False))


def test_a_row_says_which_weights_moved_and_where() -> None:
    moved = {(True, Channel.SELF): 0.0, (True, Channel.LOST): 0.7, (False, Channel.SELF): -0.7}
    one = Outcome("shop", 12, (0.5, 0.6), (0.7, 0.8), "F2", 0.1, moved)
    assert row(one) == "| shop | 12 | 0.50, 0.60 | 0.70, 0.80 | F2, 0.1 | lost 2.01, self (no traces) 0.50 |"
