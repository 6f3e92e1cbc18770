"""What is named as the cause, and the way there."""

from service.agent.causes import causes
from service.domain.component import Component, edge, service
from service.domain.evidence import Evidence, EvidenceKind
from service.domain.graph import ServiceGraph
from service.domain.localization import Cause
from service.rank.statistical import rank
from tests.agent.scene import a_view, finding

GRAPH = ServiceGraph(
    ("web", "cart", "pay", "db"), frozenset({("web", "cart"), ("web", "pay"), ("cart", "db"), ("pay", "db")})
)


def waiting(caller: str, callee: str) -> Evidence:
    return finding(EvidenceKind.GAP, edge(caller, callee), "GET", 12.0)


def first(*rows: Evidence) -> Cause:
    view = a_view(rows, graph=GRAPH, alerting="web")
    ranking = rank(view)
    return causes(view, ranking, [0.5] * len(ranking))[0]


def named(*rows: Evidence) -> Component:
    return first(*rows).component


def test_calls_that_wait_for_one_caller_only_are_named_themselves() -> None:
    cause = first(waiting("cart", "db"))
    assert cause.component == edge("cart", "db")
    assert cause.reason.startswith("calls to db wait")
    assert cause.path == ("web", "cart", "db")


def test_who_keeps_all_callers_waiting_is_named_itself() -> None:
    assert named(waiting("cart", "db"), waiting("pay", "db")) == service("db")


def test_who_has_trouble_of_its_own_that_tells_more_is_named_itself() -> None:
    slow = finding(EvidenceKind.SELF_TIME, service("db"), "GET", 60.0)
    assert named(waiting("cart", "db"), slow) == service("db")
