from dataclasses import replace

import pytest

from service.domain.component import edge, service
from service.domain.evidence import Evidence, EvidenceKind
from service.tools import buckets
from service.tools.quoting import quoted
from service.tools.rendering import rendering_of
from tests.agent.scene import a_view, finding, pod

GAP = finding(EvidenceKind.GAP, edge("checkout", "cart"), "Cart/Get", 30.0)


def row(e: Evidence, rendering: str = "aliases") -> str:
    view = a_view([e])
    return rendering_of(rendering, view).row(view.evidence[0])


def test_a_row_of_aliases_says_what_who_how_strong_and_how_much():
    assert row(replace(GAP, surprise=18.0)) == "e0 gap c1>c2 f11 s6 u10 t7 o0"


def test_a_metric_is_told_by_its_class_and_how_to_read_it():
    assert row(finding(EvidenceKind.METRIC, pod("ads-0"), "pod_cpu_usage", 5.0, now=4, before=1, unit="")) == (
        "e0 metric c4/0 f4 s0 u4 cpu"
    )
    assert row(finding(EvidenceKind.METRIC, service("ads"), "availability", 5.0, unit="")).endswith("inverse")


def test_a_log_row_has_its_template_its_severity_and_the_operation_that_led_there():
    e = finding(
        EvidenceKind.LOG_NEW, service("ads"), "boom <n>", 9.0, now=0.6, before=0.0, unit="share", severity="error"
    )
    assert row(replace(e, given="GET /")) == "e0 log-new c4 f6 s0 new p6 l0 ERROR @o0"


def test_a_row_of_names_is_a_sentence_fenced_in_quotes():
    assert row(GAP, "names").startswith(
        'e0 | gap | "checkout"->"cart" | effect 6.0 surprise 0 | "calls wait 10 ms → 300 ms'
    )


@pytest.mark.parametrize(("less", "more"), [(5.8, 8.1), (0.2, 0.5), (1.0, 1.3), (20.0, 25.0)])
def test_effects_that_differ_by_a_third_read_differently(less: float, more: float):
    assert buckets.effect(less) != buckets.effect(more)


def test_a_wait_of_sixty_times_is_told_from_one_of_three_hundred():
    sixty, more = replace(GAP, now=60e3, before=1e3), replace(GAP, now=300e3, before=1e3)
    assert buckets.change(sixty) != buckets.change(more)


def test_of_a_change_no_strength_is_told_but_when_it_came():
    assert (
        row(replace(finding(EvidenceKind.CHANGE, service("ads"), "deploy", 9.0), began_s=-40.0)) == "e0 change c4 b-1"
    )


@pytest.mark.parametrize(
    ("now", "before", "written"),
    [(4, 1, "u4"), (1, 4, "d4"), (1, 1, "flat"), (1, 0, "new"), (0, 1, "gone"), (0, 0, "flat"), (1, None, "?")],
)
def test_change_is_told_in_half_doublings(now: float, before: float | None, written: str):
    assert buckets.change(replace(GAP, now=now, before=before)) == written


def test_secrets_do_not_get_through_a_quotation():
    assert "hunter2hunter2" not in quoted("login password=hunter2hunter2 failed")
