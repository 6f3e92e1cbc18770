import pytest

from model_store.evaluate.reliability import calibration_error, calm_from, reliability, resolved_from


def test_confidence_that_is_frequency_has_no_error() -> None:
    confidences = [0.25] * 4 + [0.75] * 4
    right = [True, False, False, False, True, True, True, False]
    assert calibration_error(reliability(confidences, right)) == 0


def test_the_error_is_how_much_too_sure_an_answer_is_on_average() -> None:
    assert calibration_error(reliability([0.9] * 10, [True] * 4 + [False] * 6)) == pytest.approx(0.5)
    assert calibration_error([]) == 0


def test_a_bin_tells_how_sure_and_how_right_its_answers_were() -> None:
    (low, high) = reliability([0.12, 0.18, 1.0], [False, True, True])
    assert (low.count, low.confidence, low.right) == (2, pytest.approx(0.15), 0.5)
    assert (high.count, high.confidence, high.right) == (1, 1.0, 1.0)


def test_resolved_is_from_where_few_enough_are_wrong() -> None:
    confidences, right = [0.9, 0.8, 0.7, 0.6, 0.5], [True, True, False, True, False]
    assert resolved_from(confidences, right, 0.0) == 0.8
    assert resolved_from(confidences, right, 0.25) == 0.6
    assert resolved_from(confidences, right, 1.0) == 0.5


def test_where_the_surest_are_wrong_nothing_is_resolved() -> None:
    assert resolved_from([0.9, 0.2], [False, True], 0.1) > 1
    assert resolved_from([], [], 0.1) > 1


@pytest.mark.parametrize(("share", "resolved"), [(0.0, 0), (0.24, 0), (0.25, 1), (0.5, 2), (1.0, 4)])
def test_few_enough_healthy_incidents_lie_above_the_bound(share: float, resolved: int) -> None:
    healthy = [0.1, 0.4, 0.3, 0.2]
    assert sum(confidence >= calm_from(healthy, share) for confidence in healthy) == resolved
    assert calm_from([], share) == 0
