from model_store.train.suspicion import (
    explained_below,
    fails_rather_than_slows,
    named_fault,
    proof,
    speaking,
    suspicions,
)
from service.domain.fault import Fault
from service.llm.alias_text import Reading, read
from service.llm.rules import RulesModel
from service.ports import Message
from tests.train.playing import play, view_of


def page(*rows: str, question: str = "root c0") -> Reading:
    """A page on which these rows were shown."""
    call = Message("assistant", "", "search_traces", '{"component": "all"}')
    return read((Message("user", question), call, Message("tool", "\n".join(("traces all", *rows)))))


def test_a_callee_explains_a_part_of_what_its_caller_shows() -> None:
    alone = page("e0 self-time c1 u6 t5 s6 i7 k3")
    behind = page("e0 self-time c1 u6 t5 s6 i7 k3", "e1 gap c1>c2 u6 t5 s6 i7 k3")
    assert suspicions(behind)["c1"] < suspicions(alone)["c1"]
    assert suspicions(behind)["c2"] > 0


def test_who_got_faster_is_not_spoken_against() -> None:
    assert speaking(page("e0 self-time c1 d6 t5 s6 i7 k3"), "c1") == []


def test_proof_holds_one_row_of_each_symptom_and_three_at_most() -> None:
    for seed in range(1, 5):
        _, heard = play(view_of(seed), RulesModel())
        reading = read(heard.turns[-1][0].messages)
        for component in suspicions(reading):
            rows = proof(reading, component)
            assert len(rows) <= 3
            assert {row.id for row in rows} <= {row.id for row in speaking(reading, component)} <= reading.rows.keys()


def test_nobody_is_suspected_on_an_empty_page() -> None:
    reading = page("nothing unusual")
    assert suspicions(reading) == {}
    assert proof(reading, "c0") == []
    assert named_fault([]) is Fault.UNKNOWN


def test_the_true_fault_is_named_only_where_a_row_shows_what_it_shows() -> None:
    rows = proof(page("e0 self-time c1 u6 t5 s6 i7 k3"), "c1")
    assert named_fault(rows, Fault.LOCK) is Fault.LOCK
    assert named_fault(rows, Fault.CRASH) is not Fault.CRASH


def test_failure_and_slowness_are_told_apart() -> None:
    assert fails_rather_than_slows(page("e0 error-share c1 u6 p5 s6 i7 k3"))
    assert not fails_rather_than_slows(page("e0 self-time c1 u6 t5 s6 i7 k3"))


def test_a_child_is_explained_by_its_callees_alone() -> None:
    rows = ("e0 self-time c1 u6 t5 s6 i7 k3", "callees", "e1 self-time c2 u6 t5 s6 i7 k3")
    assert explained_below(page(*rows, question="child c1")) > 0
    assert explained_below(page(rows[0], question="child c1")) == 0
