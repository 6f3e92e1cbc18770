from dataclasses import replace

import pytest

from model_store.train.oracle import OracleModel
from model_store.train.rewards import PARTS, Exploration, Graded, Pay, graded, weighted
from service.domain.component import service
from service.domain.fault import Fault
from service.grader.reward import RewardWeights
from service.grader.truth import TrueCause, Truth
from service.view.view import View
from tests.train.playing import play, view_of

PAY = Pay(dict.fromkeys(PARTS, 1.0), RewardWeights(), Exploration(), child_fault=0.3)


def shown_at(view: View) -> Truth:
    """A truth that the page supports: whoever the rules hold for the cause."""
    first = play(view)[0].localization.causes[0]
    return Truth((TrueCause(first.component, first.fault),))


def paid(view: View, truth: Truth, of: Truth | None = None) -> Graded:
    """What the oracle of one truth is paid under another (or its own)."""
    outcome = play(view, OracleModel(of or truth, view, temperature=0.0))[0]
    return graded(outcome, view, truth, PAY)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_who_finds_the_cause_is_paid_more_than_who_does_not(seed: int) -> None:
    view = view_of(seed)
    truth = shown_at(view)
    found = paid(view, truth)
    assert (found.parts["rank"], found.parts["recall"], found.parts["format"]) == (1.0, 1.0, 1.0)
    stranger = next(s for s in view.graph.services if service(s) not in {c.component for c in truth.causes})
    other = Truth((TrueCause(service(stranger), Fault.CRASH),))
    assert found.total > paid(view, other, of=truth).total


def test_where_nothing_was_wrong_who_proves_nothing_is_paid_in_full_and_who_proves_something_is_not() -> None:
    view = view_of(1)
    healthy = Truth(())
    silent, pretending = paid(view, healthy), paid(view, healthy, of=shown_at(view))
    assert [silent.parts[part] for part in ("rank", "recall", "fault", "proof")] == [1.0] * 4
    assert [pretending.parts[part] for part in ("rank", "recall", "fault", "proof")] == [0.0] * 4


def test_a_part_without_weight_counts_nothing_and_what_is_made_up_is_taken_off() -> None:
    parts = {str(part): 0.5 for part in PARTS}
    assert weighted(parts, {"rank": 1.0, "way": 0.0}) == 0.5
    assert weighted(parts, {"rank": 1.0, "made_up": 1.0}) == 0.0


def test_a_child_is_paid_for_its_verdict_and_the_root_is_not() -> None:
    view = view_of(1)
    truth = shown_at(view)
    verdicts = paid(view, truth).verdicts
    assert verdicts[0] is None
    assert verdicts[1:]
    assert all(verdict is None or 0 <= verdict <= 1 for verdict in verdicts)
    (cause,) = truth.causes
    innocent = Truth((replace(cause, component=service("nobody")),))
    assert paid(view, innocent, of=truth).verdicts != verdicts
