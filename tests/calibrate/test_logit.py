import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model_store.calibrate.logit import Choice, Logit, fit

ALL = (True, True)


def drawn(truth: Logit, count: int, seed: int) -> list[Choice]:
    """Incidents in which causes are as likely as ``truth`` says."""
    rng = np.random.default_rng(seed)
    choices: list[Choice] = []
    for _ in range(count):
        x = np.stack([rng.normal(0, 1, 6), rng.integers(0, 2, 6)], axis=1).astype(np.float64)
        share = truth.shares(Choice(x, np.zeros(6, np.bool_)))
        chosen = rng.choice(7, p=np.append(share, 1 - share.sum()))
        choices.append(Choice(x, np.arange(6) == chosen))
    return choices


def test_what_made_the_incidents_is_found_again() -> None:
    truth = Logit(np.array([1.5, 0.7]), 0.5)
    found = fit(drawn(truth, 3000, 1), ALL)
    assert np.allclose(found.of_features, truth.of_features, atol=0.15)
    assert abs(found.nothing - truth.nothing) < 0.2


def test_what_is_not_free_stays_nothing() -> None:
    found = fit(drawn(Logit(np.array([1.5, 0.7]), 0.5), 300, 2), (True, False))
    assert found.of_features[1] == 0
    assert found.of_features[0] > 0


def test_nothing_counts_against_who_is_suspected() -> None:
    found = fit(drawn(Logit(np.array([-1.0, 0.0]), 0.0), 300, 3), ALL)
    assert (found.of_features >= 0).all()


def test_incidents_without_a_cause_make_nothing_likelier() -> None:
    some = drawn(Logit(np.array([1.0, 1.0]), 0.0), 200, 4)
    calm = [Choice(c.x, np.zeros(6, np.bool_)) for c in drawn(Logit(np.array([1.0, 1.0]), 0.0), 200, 5)]
    assert fit([*some, *calm], ALL).nothing > fit(some, ALL).nothing


def test_two_true_causes_may_share_what_is_likely() -> None:
    x = np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 0.0]])
    found = fit([Choice(x, np.array([True, True, False]))] * 50, ALL)
    assert np.isclose(found.shares(Choice(x, np.zeros(3, np.bool_)))[:2].sum(), 1.0, atol=0.05)


@given(st.integers(0, 1000), st.integers(0, 8))
def test_shares_are_shares(seed: int, candidates: int) -> None:
    x = np.random.default_rng(seed).normal(0, 3, (candidates, 2))
    share = Logit(np.array([2.0, 1.0]), -1.0).shares(Choice(x, np.zeros(candidates, np.bool_)))
    assert (share >= 0).all()
    assert share.sum() < 1.0 + 1e-9
