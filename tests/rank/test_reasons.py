from dataclasses import replace

import pytest

from service.domain.component import edge, service
from service.domain.evidence import EvidenceKind
from service.rank.reasons import reason
from tests.agent.scene import finding

CART = service("cart")


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (EvidenceKind.SELF_TIME, "cart spends 290 ms longer than before in its own code"),
        (EvidenceKind.LATENCY, "cart takes 290 ms longer than before"),
        (EvidenceKind.METRIC, "op of cart went 10 ms → 300 ms"),
        (EvidenceKind.ERROR_SHARE, "10 ms → 300 ms of the executions of cart fail there"),
        (EvidenceKind.TRAFFIC, "requests to cart went 10 ms → 300 ms"),
    ],
)
def test_a_reason_is_a_sentence_made_of_the_most_telling_row(kind: EvidenceKind, sentence: str):
    assert reason(CART, [finding(kind, CART, "op", 9.0)]) == sentence


def test_a_gap_is_told_of_the_calls():
    row = finding(EvidenceKind.GAP, edge("checkout", "cart"), "op", 9.0)
    assert reason(CART, [row]) == "calls to cart wait 300 ms that cart itself does not account for"


def test_a_log_template_is_told_without_its_example():
    row = finding(
        EvidenceKind.LOG_NEW, CART, "t", 9.0, now=0.5, before=0.0, unit="share", severity="error", example="boom 3"
    )
    assert reason(CART, [row]) == "cart writes new ERROR log lines (0% → 50% of its lines)"


def test_a_change_is_told_with_its_time():
    row = replace(finding(EvidenceKind.CHANGE, CART, "deploy", 9.0, example="cart 1.2"), began_s=-240.0)
    assert reason(CART, [row]) == "cart was changed 4 min before the alert (deploy: cart 1.2)"


def test_a_suspect_without_evidence_is_told_as_one():
    assert reason(CART, []) == "there is no evidence against cart itself"


@pytest.mark.parametrize("kind", list(EvidenceKind))
def test_every_kind_of_evidence_makes_a_sentence(kind: EvidenceKind):
    assert "\n" not in reason(CART, [finding(kind, CART, "op", 9.0, example="x")])
