import json
from pathlib import Path

import pytest

from model_store.bench_gateway.bare import Webhook
from model_store.bench_gateway.load import Spec, sent
from model_store.bench_gateway.servers import bare_route
from model_store.bench_gateway.webhooks import lives, openings, storm
from service.stores.alert_body import parse_alert_body


def test_a_group_opens_is_repeated_grows_and_is_resolved() -> None:
    told = [parse_alert_body(json.loads(body)) for body in lives(first=5, groups=1)]
    assert [(group.status, len(group.alerts)) for group in told] == [
        ("firing", 3),
        ("firing", 3),
        ("firing", 5),
        ("resolved", 5),
    ]
    assert len({(alert.fingerprint, alert.starts_at) for group in told for alert in group.alerts}) == 5


def test_a_storm_has_as_many_alerts_and_groups_as_it_is_asked_for() -> None:
    told = [parse_alert_body(json.loads(body)) for body in storm(first=0, groups=7, alerts=84)]
    assert len({alert.fingerprint for group in told for alert in group.alerts}) == 84
    assert len({group.group_key for group in told}) == 7


def test_the_route_beside_which_we_are_measured_reads_the_same_alerts() -> None:
    for body in openings(first=0, groups=3):
        ours, bare = parse_alert_body(json.loads(body)), Webhook.model_validate_json(body)
        assert [a.starts_at for a in ours.alerts] == [a.startsAt for a in bare.alerts]


@pytest.mark.parametrize("rate", [0.0, 500.0], ids=["as fast as it goes", "at a rate"])
def test_every_webhook_is_sent_once_and_answered(tmp_path: Path, rate: float) -> None:
    with bare_route(tmp_path) as server:
        report = sent(Spec(server.port, "lives", first=0, groups=10, connections=4, rate=rate))
    assert (report.sent, report.refused) == (40, 0)
    assert 0 < report.p50_ms <= report.p99_ms
