"""The body of a question becomes a question of printable text, or is refused in one printable line."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import example, given

from service.errors import CallerError
from service.gateway.questions import question_of
from service.text import is_printable
from tests.gateway.conftest import alertmanager_body
from tests.strangers import spoiled

NOW = datetime(2026, 3, 4, 6, tzinfo=UTC)
WINDOW = ["2026-03-04T05:00:00Z", "2026-03-04T05:30:00Z"]
ABOUT_A_SERVICE = {"component": "cart", "window": WINDOW}
ABOUT_AN_EDGE = {"component": {"kind": "edge", "name": "cart->pay"}, "window": WINDOW, "deadline_s": 5}


@given(spoiled([ABOUT_A_SERVICE, ABOUT_AN_EDGE, alertmanager_body("cart")]))
@example(ABOUT_A_SERVICE | {"\x1f": 1})
@example(ABOUT_A_SERVICE | {"component": "\x1b[2J"})
@example({"alerts": [{"labels": {"\u202e": 1}}]})
def test_whatever_is_asked_becomes_printable_or_is_refused_in_one_printable_line(body: Any) -> None:
    try:
        question = question_of(body, NOW)
        labels = (text for alert in question.alerts for pair in alert.labels.items() for text in pair)
        texts = [question.group_key, *labels]
    except CallerError as error:
        texts = [str(error)]
    assert [text for text in texts if not is_printable(text)] == []


def test_a_long_name_is_cut_as_telemetry_has_it() -> None:
    (alert,) = question_of(ABOUT_A_SERVICE | {"component": "c" * 400}, NOW).alerts
    assert len(alert.service) == 300
