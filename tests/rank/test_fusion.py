from hypothesis import given
from hypothesis import strategies as st

from service.domain.component import service
from service.domain.evidence import EvidenceKind
from service.domain.fault import Fault
from service.domain.localization import RankedBy, Suspect
from service.rank.fusion import Fusion, Weights, confidences, fuse, in_model_order, unresolved
from tests.agent.scene import SERVICES, a_view, finding

WEIGHTS = Weights(sharpness=2.0, place=0.1, support=0.4, nothing=-2.0, resolved_from=0.3)

VIEW = a_view(
    [
        finding(EvidenceKind.SELF_TIME, service("cart"), "get", 20.0),
        finding(EvidenceKind.SELF_TIME, service("ads"), "get", 16.0),
        finding(EvidenceKind.SELF_TIME, service("checkout"), "get", 3.0),
    ]
)


def suspect(name: str, score: float, fault: Fault = Fault.SLOW) -> Suspect:
    return Suspect(service(name), fault, score)


def first(prior: list[Suspect], claimed: list[Suspect]) -> str:
    return fuse(prior, claimed, VIEW, WEIGHTS)[0].component.name


def no_cause_stands_out(prior: list[Suspect]) -> bool:
    return unresolved(confidences(fuse(prior, [], VIEW, WEIGHTS), WEIGHTS), WEIGHTS)


def test_without_claims_the_statistical_order_stands():
    prior = [suspect("cart", 9.0), suspect("ads", 8.0)]
    assert [s.component.name for s in fuse(prior, [], VIEW, WEIGHTS)] == ["cart", "ads"]


def test_a_claim_with_comparable_evidence_overturns_a_close_race():
    assert first([suspect("cart", 9.0), suspect("ads", 7.5)], [suspect("ads", 16.0)]) == "ads"


def test_a_claim_does_not_overturn_a_clear_lead():
    assert first([suspect("cart", 9.0), suspect("ads", 4.0)], [suspect("ads", 16.0)]) == "cart"


def test_a_claim_without_evidence_changes_nothing():
    assert first([suspect("cart", 9.0), suspect("ads", 8.9)], [suspect("ads", 0.0)]) == "cart"


def test_a_claim_that_the_statistics_see_nothing_in_does_not_come_first():
    assert first([suspect("cart", 9.0)], [suspect("frontend", 99.0)]) == "cart"


def test_the_model_names_the_fault_where_it_knows_one():
    fused = fuse([suspect("cart", 9.0)], [suspect("cart", 20.0, Fault.CPU)], VIEW, WEIGHTS)
    assert fused[0].fault is Fault.CPU
    fused = fuse([suspect("cart", 9.0)], [suspect("cart", 20.0, Fault.UNKNOWN)], VIEW, WEIGHTS)
    assert fused[0].fault is Fault.SLOW


def test_what_statistics_read_off_a_change_or_a_resource_stands_whatever_the_model_makes_of_it():
    fused = fuse([suspect("cart", 9.0, Fault.DEPLOY)], [suspect("cart", 20.0, Fault.ERROR)], VIEW, WEIGHTS)
    assert fused[0].fault is Fault.DEPLOY


def test_agreement_raises_confidence():
    prior = [suspect("cart", 9.0), suspect("ads", 8.0)]
    alone = confidences(fuse(prior, [], VIEW, WEIGHTS), WEIGHTS)[0]
    agreed = confidences(fuse(prior, [suspect("cart", 20.0)], VIEW, WEIGHTS), WEIGHTS)[0]
    assert agreed > alone


def test_many_equals_are_unresolved_and_one_alone_is_not():
    assert no_cause_stands_out([suspect(s, 1.0) for s in SERVICES])
    assert not no_cause_stands_out([suspect("cart", 1.0)])
    assert no_cause_stands_out([])


def test_what_stands_out_among_nothings_is_still_nothing():
    assert no_cause_stands_out([suspect("cart", 0.08), suspect("ads", 0.001)])


def test_the_models_own_order_is_kept():
    claimed = [suspect("ads", 0.0), suspect("cart", 50.0)]
    assert [s.component.name for s in in_model_order(claimed, WEIGHTS)] == ["ads", "cart"]


def test_whom_the_model_names_later_never_comes_before_whom_it_named_earlier():
    ranked = in_model_order([suspect("ads", 0.0), suspect("cart", 50.0)], WEIGHTS)
    assert ranked[0].score >= ranked[1].score


def test_every_part_has_its_numbers():
    assert {Fusion().of(part) for part in RankedBy} == {Fusion().statistical, Fusion().model, Fusion().fused}


RANKING = st.lists(
    st.builds(suspect, st.sampled_from(SERVICES), st.floats(0, 1e6)), unique_by=lambda s: s.component, max_size=5
).map(lambda suspects: sorted(suspects, key=lambda s: -s.score))


@given(prior=RANKING, claimed=RANKING)
def test_fusion_keeps_everyone_once_in_order_and_confidence_in_bounds(prior: list[Suspect], claimed: list[Suspect]):
    fused = fuse(prior, claimed, VIEW, WEIGHTS)
    assert {s.component for s in fused} == {s.component for s in (*prior, *claimed)}
    assert len(fused) == len({s.component for s in fused})
    assert [s.score for s in fused] == sorted((s.score for s in fused), reverse=True)
    confident = confidences(fused, WEIGHTS)
    assert all(0.0 <= c <= 0.99 for c in confident)
    assert sum(confident) <= 1.0 + 1e-9
