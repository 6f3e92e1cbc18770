"""Every word of the aliases rendering has a token: nothing that the loop says is lost on the model."""

import json
from itertools import product
from pathlib import Path

import pytest

from model_store.train.tokenizer import build_tokenizer
from service.agent.budget import Budget
from service.agent.parser import parse
from service.domain.component import edge, service
from service.domain.evidence import EvidenceKind
from service.domain.fault import Fault
from service.evidence import metric_class
from service.llm.embedded.chat import prompt_ids
from service.ports import ChatModel, ChatReply, Message
from service.stores.memory import InMemoryTelemetry
from service.stores.recorded import RecordedCase
from service.tools.buckets import began, change, impact, score, size, support
from service.tools.specs import TOOL_NAMES
from service.view.view import View
from tests.agent.scene import a_view, finding, pod
from tests.conftest import CaseFactory
from tests.llm.embedded.talk import Aimless, conversations, played, vocabulary
from tests.patience import open_patiently

CASES = Path(__file__).parent.parent / "cases"
DIRECTORIES = sorted(path.parent for path in CASES.glob("*/*/case.json"))


def unknown_in(text: str) -> list[str]:
    """Words without a token."""
    words = vocabulary()
    return [word for word in text.split() if words.unknown in words.encode_plain(word)]


def unknown_lines(view: View, model: ChatModel | None = None, budget: Budget | None = None) -> list[str]:
    """Lines of what the model saw and said with a word that has no token."""
    transcript = played(view, model, budget)
    said = [message for told in conversations(transcript) for message in told[1:]]
    assert said
    lines = [line for message in said for line in f"{message.content}{message.call_arguments}".splitlines()]
    return [line for line in lines if unknown_in(line)]


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda directory: directory.name)
def test_the_projects_own_recordings_are_told_in_known_words(directory: Path) -> None:
    case = RecordedCase.open(directory)
    view = open_patiently(case.incident, case.telemetry)
    assert unknown_lines(view) == []
    assert unknown_lines(view, Aimless(3), Budget(frames=6)) == []


@pytest.mark.parametrize("fault", [Fault.CPU, Fault.ERROR, Fault.NETWORK_DELAY, Fault.CRASH, Fault.DEPLOY])
def test_simulated_incidents_are_told_in_known_words(synthetic_case: CaseFactory, fault: Fault) -> None:
    case = synthetic_case(fault=fault, services=12)
    view = open_patiently(case.incident, InMemoryTelemetry(case.tables).telemetry)
    assert unknown_lines(view) == []


@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_model_does_is_answered_in_known_words(seed: int) -> None:
    assert unknown_lines(a_view(), Aimless(seed), Budget(frames=3, turns=20)) == []


@pytest.mark.parametrize("kind", EvidenceKind)
@pytest.mark.parametrize("severity", ["", "error", "warn", "info", "debug"])
def test_every_kind_of_row_is_known(kind: EvidenceKind, severity: str) -> None:
    about = (service("cart"), pod("cart-0"), edge("checkout", "cart"), service("a stranger"))
    rows = [finding(kind, c, "op", 9.0, severity=severity, given="entry") for c in about]
    assert unknown_lines(a_view(rows)) == []


def test_every_bucket_is_known() -> None:
    numbers = (0.0, 0.004, 0.3, 1.0, 40.0, 3e3, 5e5, 1e9)
    for now, before, unit in product(numbers, (None, *numbers), ("us", "share", "")):
        row = finding(EvidenceKind.METRIC, service("cart"), "x", now, now=now, before=before, unit=unit)
        assert unknown_in(f"{score(row)} {change(row)} {size(row)} {support(row)} {impact(row)} {began(row)}") == []
    for digit in range(10):
        assert unknown_in(" ".join(f"{letter}{digit}" for letter in "studpik")) == []
        assert unknown_in(f"b-{digit}" if digit else "b0") == unknown_in(f"b{digit}") == []


def test_every_class_of_metrics_is_known() -> None:
    classes = [value for name, value in vars(metric_class).items() if name.isupper() and isinstance(value, str)]
    assert metric_class.OTHER in classes
    assert unknown_in(" ".join(classes)) == []
    rows = [
        finding(EvidenceKind.METRIC, service("cart"), name, 9.0, unit="")
        for name in ("node_cpu", "client_errors", "requests_success", "upstream_success")
    ]
    assert unknown_lines(a_view(rows)) == []


@pytest.mark.parametrize(
    "reply",
    [
        ChatReply(text="it is the cart"),
        ChatReply(call_name="search_stars", call_arguments="{}"),
        ChatReply(call_name="print_results", call_arguments="{}"),
        *(ChatReply(name, arguments) for name in TOOL_NAMES for arguments in ("", "1", "{}", '{"a": 1}')),
        ChatReply("search_logs", json.dumps({"component": ""})),
        ChatReply("search_logs", json.dumps({"component": 3})),
        ChatReply("search_logs", json.dumps({"component": "c" * 300})),
        ChatReply("investigate", json.dumps({"components": "c1"})),
        ChatReply("investigate", json.dumps({"components": []})),
        ChatReply("investigate", json.dumps({"components": ["c1"] * 9})),
        ChatReply("report_verdict", json.dumps({"guilty": "yes", "fault": "cpu", "rows": []})),
        ChatReply("report_verdict", json.dumps({"guilty": True, "fault": "cpu", "rows": ["e1"] * 9})),
        ChatReply("report_verdict", json.dumps({"guilty": True, "fault": "cpu", "rows": ["e" * 30]})),
        ChatReply("print_results", json.dumps({"causes": []})),
        ChatReply("print_results", json.dumps({"causes": [1]})),
        ChatReply("print_results", json.dumps({"causes": [{"component": "c1", "fault": "cpu"}]})),
    ],
)
def test_every_refusal_is_told_in_known_words(reply: ChatReply) -> None:
    """But for a fault that does not exist: the list of those that do is cut within a word."""
    move = parse(reply, TOOL_NAMES[1:])
    assert unknown_in(getattr(move, "reason", "")) == []


def test_marks_in_a_strangers_words_stay_words() -> None:
    ids = prompt_ids((Message("user", "note <|end|>"),), vocabulary())
    assert ids.count(vocabulary().end) == 1


def test_it_is_built_the_same_every_time() -> None:
    assert build_tokenizer().to_str() == build_tokenizer().to_str()
