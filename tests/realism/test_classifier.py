import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from model_store.realism.classifier import auc, cross_validated, fit

seeds = st.integers(0, 1_000)


def two_kinds(seed: int, distance: float, count: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Examples of two kinds, as many of each, whose second feature lies so far apart."""
    rng = np.random.default_rng(seed)
    positive = np.arange(count) % 2 == 0
    examples = rng.normal(0, 1, (count, 3))
    examples[:, 1] += distance * positive
    return examples, positive


def test_what_lies_apart_is_told_by_the_feature_that_tells_it() -> None:
    examples, positive = two_kinds(1, 8.0)
    stumps = fit(examples, positive, np.ones(len(examples)))
    assert ((stumps(examples) > 0) == positive).all()
    assert int(np.argmax(stumps.gains)) == 1


@settings(deadline=None, max_examples=5)
@given(seeds)
def test_what_is_alike_is_not_told_although_it_is_learnt_by_heart(seed: int) -> None:
    examples, positive = two_kinds(seed, 0.0)
    weights = np.ones(len(examples))
    by_heart = auc(fit(examples, positive, weights)(examples), positive, weights)
    told = cross_validated(examples, positive, np.arange(len(examples)), weights)
    assert told < min(0.72, by_heart)


def test_rows_of_one_incident_never_tell_of_each_other() -> None:
    """Each incident has a value of its own: known by heart, it would tell everything."""
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(60), 5)
    positive = np.isin(groups, rng.permutation(60)[:30])
    examples = rng.permutation(60).astype(np.float64)[groups][:, None]
    assert cross_validated(examples, positive, groups, np.ones(len(groups))) < 0.75


@settings(deadline=None)
@given(seeds, st.floats(0.1, 10))
def test_an_auc_hangs_on_order_only_and_turns_over_with_it(seed: int, factor: float) -> None:
    examples, positive = two_kinds(seed, 1.0)
    weights = np.random.default_rng(seed).uniform(0.1, 1, len(positive))
    odds = examples[:, 1]
    here = auc(odds, positive, weights)
    assert np.isclose(here, auc(np.exp(odds / factor), positive, weights))
    assert np.isclose(here, 1 - auc(-odds, positive, weights))
    assert np.isclose(auc(np.zeros_like(odds), positive, weights), 0.5)
