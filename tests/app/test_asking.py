import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.domain.window import Window
from service.errors import CallerError
from service.wiring.asking import Asked, span
from tests.gateway.conftest import alertmanager_body

NOW = datetime(2026, 3, 4, 6, tzinfo=UTC)


def test_a_service_is_asked_about_in_the_time_until_now() -> None:
    sighting = Asked(service="cart").sighting(NOW)
    assert sighting.window == Window(NOW - timedelta(minutes=15), NOW)
    assert [alert.service for alert in sighting.alerts] == ["cart"]
    assert sighting.incident_id == "asked-20260304T060000Z"


def test_at_and_since_choose_the_time_whatever_zone_it_is_said_in() -> None:
    sighting = Asked(service="cart", at="2026-03-04T06:00:00+01:00", since="2h").sighting(NOW)
    assert sighting.window == Window(NOW - timedelta(hours=3), NOW - timedelta(hours=1))


def test_an_alert_says_itself_whom_it_concerns_and_since_when(tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text(json.dumps(alertmanager_body("cart", "pay")))
    sighting = Asked(alert=body).sighting(NOW)
    assert (sighting.window, [alert.service for alert in sighting.alerts]) == (None, ["cart", "pay"])
    assert Asked(alert=body, at="2026-03-04T05:30:00Z").moment(NOW) == NOW - timedelta(minutes=30)


def test_an_incident_is_the_tenants_in_whose_name_it_is_asked_about(tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text(json.dumps(alertmanager_body("cart")))
    assert Asked(service="cart", tenant="shop").sighting(NOW).tenant == "shop"
    assert Asked(alert=body, tenant="shop").sighting(NOW).tenant == "shop"
    assert Asked(service="cart").sighting(NOW).tenant == ""


@pytest.mark.parametrize(("told", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86_400)])
def test_spans_are_told_as_prometheus_has_them(told: str, seconds: int) -> None:
    assert span(told) == timedelta(seconds=seconds)


WRONG: list[tuple[Asked, str]] = [
    (Asked(service="cart", at="noon"), "--at noon"),
    (Asked(service="cart", at="2026-03-04T05:00:00"), "--at"),
    (Asked(service="cart", at="2026-03-05T05:00:00Z"), "future"),
    (Asked(service="cart", since="soon"), "--since soon"),
    (Asked(service="cart", since="0m"), "--since 0m"),
    (Asked(service="cart", since="3d"), "day"),
    (Asked(service=""), "component"),
    (Asked(alert=Path("nowhere.json")), "nowhere.json: No such file"),
    (Asked(alert=Path("nowhere.json"), since="15m"), "--since is for --service"),
    (Asked(alert=Path(__file__)), "is no JSON"),
    (Asked(service="cart", tenant="../shop"), "--tenant ../shop: is no name"),
    (Asked(service="cart", tenant="*"), "--tenant"),
]


@pytest.mark.parametrize(("asked", "told"), WRONG)
def test_what_cannot_be_meant_is_told_on_one_line(asked: Asked, told: str) -> None:
    with pytest.raises(CallerError, match=told) as refused:
        asked.sighting(NOW)
    assert "\n" not in str(refused.value)
