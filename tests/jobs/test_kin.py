from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from service.jobs.kin import HOPS, MOST_SERVICES, NO_KIN, WIDE, Kin

CHAIN = Kin.of((f"s{n}", f"s{n + 1}") for n in range(9))
DATABASE = Kin.of((f"s{n}", "db") for n in range(WIDE + 5))
EDGE = Kin.of(("edge", f"s{n}") for n in range(WIDE + 5))


def joins(kin: Kin, newcomer: str, *members: str) -> bool:
    return kin.joins(frozenset({newcomer}), frozenset(members))


def test_what_fails_is_followed_a_few_calls_up_and_down() -> None:
    assert joins(CHAIN, "s0", f"s{HOPS}")
    assert joins(CHAIN, f"s{HOPS}", "s0")
    assert not joins(CHAIN, f"s{HOPS + 1}", "s0")


def test_two_that_the_same_one_calls_are_not_related_by_that() -> None:
    kin = Kin.of([("shop", "cart"), ("shop", "pay")])
    assert not joins(kin, "pay", "cart")
    assert joins(kin, "pay", "cart", "shop")


def test_all_that_fail_of_a_database_belong_together() -> None:
    assert joins(DATABASE, "s7", "db", "s1", "s2")


def test_an_edge_that_calls_everything_does_not_join_two_failures() -> None:
    assert joins(EDGE, "s1", "edge")
    assert not joins(EDGE, "s2", "edge", "s1")
    assert joins(EDGE, "edge", "s1")


def test_a_service_is_its_own_kin_even_where_nothing_is_known() -> None:
    assert joins(Kin(), "cart", "cart")
    assert not joins(Kin(), "cart", "pay")
    assert NO_KIN.within == timedelta(0)


def test_an_alert_that_names_no_service_joins_nothing() -> None:
    assert not Kin().joins(frozenset(), frozenset())


_calls = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), max_size=12)
_names = st.frozensets(st.sampled_from("abcdefx"), max_size=4)


@given(_calls, _names, _names)
def test_what_joins_is_among_the_relatives(
    calls: list[tuple[str, str]], new: frozenset[str], old: frozenset[str]
) -> None:
    kin = Kin.of(calls)
    if kin.joins(new, old):
        assert not kin.relatives(new).isdisjoint(old)


@given(st.integers(1, 3 * MOST_SERVICES))
def test_no_incident_grows_beyond_its_bound_by_kinship(services: int) -> None:
    members = frozenset({"db"})
    for n in range(services):
        newcomer = frozenset({f"s{n % (WIDE + 5)}", f"t{n}"})
        if DATABASE.joins(newcomer, members):
            members |= newcomer
    assert len(members) <= MOST_SERVICES
