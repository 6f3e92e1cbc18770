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


def test_a_row_of_aliases_says_what_who_how_strong_how_much_and_how_often():
    assert row(GAP) == "e0 gap c1>c2 s7 u9 t7 k4 o0"


def test_a_metric_is_told_by_its_class_and_how_to_read_it():
    assert row(finding(EvidenceKind.METRIC, pod("ads-0"), "pod_cpu_usage", 5.0, now=4, before=1, unit="")) == (
        "e0 metric c4/0 s4 u4 k4 cpu"
    )
    assert row(finding(EvidenceKind.METRIC, service("ads"), "availability", 5.0, unit="")).endswith("inverse")


def test_a_log_row_has_its_template_its_severity_and_the_operation_that_led_there():
    e = finding(
        EvidenceKind.LOG_NEW, service("ads"), "boom <n>", 9.0, now=0.6, before=0.0, unit="share", severity="error"
    )
    assert row(replace(e, given="GET /")) == "e0 log-new c4 s5 new p6 k4 l0 ERROR @o0"


def test_a_row_of_names_is_a_sentence_fenced_in_quotes():
    assert row(GAP, "names").startswith('e0 | gap | "checkout"->"cart" | score 30.0 | "calls wait 10 ms → 300 ms')


@pytest.mark.parametrize(
    ("now", "before", "written"),
    [(4, 1, "u4"), (1, 4, "d4"), (1, 1, "flat"), (1, 0, "new"), (0, 1, "gone"), (0, 0, "flat"), (1, None, "?")],
)
def test_change_is_told_in_half_doublings(now: float, before: float | None, written: str):
    assert buckets.change(replace(GAP, now=now, before=before)) == written


def test_secrets_do_not_get_through_a_quotation():
    assert "hunter2hunter2" not in quoted("login password=hunter2hunter2 failed")
