from service.domain.component import Component, edge, service
from service.domain.fault import Fault
from service.rank.verification import Claim, verify
from tests.agent.scene import a_view, pod

VIEW = (
    a_view()
)  # e0: gap checkout->cart, e1: latency checkout, e2: latency frontend, e3: metric of ads, e4: logs of ads
EVERYTHING = frozenset(e.id for e in VIEW.evidence)


def checked(*claims: Claim, shown: frozenset[str] = EVERYTHING):
    return verify(claims, shown, VIEW)


def claim(component: Component | None, *rows: str, fault: Fault = Fault.CPU) -> Claim:
    return Claim(component, fault, rows)


def test_what_holds_is_kept_in_order():
    result = checked(claim(service("cart"), "e0"), claim(service("ads"), "e3"))
    assert [(s.component.name, [e.id for e in s.evidence]) for s in result.suspects] == [
        ("cart", ["e0"]),
        ("ads", ["e3"]),
    ]
    assert result.dropped == 0


def test_components_that_do_not_exist_are_dropped_and_counted():
    assert checked(claim(None), claim(service("ghost"), "e0")).dropped == 2


def test_rows_that_were_not_shown_or_do_not_exist_are_dropped_and_counted():
    result = checked(claim(service("cart"), "e0", "e1", "e99"), shown=frozenset({"e0", "e99"}))
    assert [e.id for e in result.suspects[0].evidence] == ["e0"]
    assert result.dropped == 2


def test_pods_and_edges_collapse_and_repeats_join():
    result = checked(claim(pod("cart-0"), "e0", fault=Fault.UNKNOWN), claim(edge("checkout", "cart"), "e1"))
    assert [(s.component, s.fault) for s in result.suspects] == [(service("cart"), Fault.CPU)]
    assert {e.id for e in result.suspects[0].evidence} == {"e0", "e1"}


def test_only_rows_about_the_component_itself_prove_it():
    about_it = checked(claim(service("cart"), "e0")).suspects[0].score
    assert about_it == 30.0
    assert checked(claim(service("cart"), "e2")).suspects[0].score == 0.0
    assert checked(claim(service("checkout"), "e0")).suspects[0].score == about_it
