from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.alert import MOST_PARAMETERS, Alert

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def expression(generator_url: str) -> str:
    return Alert("f", NOON, generator_url=generator_url).expression


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_expression_of_a_rule_comes_from_the_link_as_it_was_written(written: str) -> None:
    told = urlencode({"g0.expr": written, "g0.tab": "1"})
    assert expression(f"https://prometheus.example:9090/graph?{told}") == written.strip()
    assert expression(f"/query?{told}#top") == written.strip()


@pytest.mark.parametrize(
    "nonsense",
    ["", "http://[", "http://grafana/alerting/list", "/graph?g1.expr=up", "/graph?g0.expr=", "?g0.expr=%20", "\x00?"],
)
def test_a_link_that_has_none_has_none(nonsense: str) -> None:
    assert expression(nonsense) == ""


def test_a_link_with_very_many_parameters_is_not_read() -> None:
    assert expression("?g0.expr=up" + "&a=1" * MOST_PARAMETERS) == ""
