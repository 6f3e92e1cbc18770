"""What the rule of an alert looks at, as a question to a Prometheus. Alerts come from strangers: an expression may be
nonsense, huge or meant to harm, so it is asked once, briefly, and of the server that is set, whatever the alert names.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from service.domain.alert import Alert
from service.stores.prometheus_questions import Question
from service.stores.prometheus_series import About, Labels
from service.stores.validation import name_of

LONGEST_EXPRESSION: Final = 4_000
MOST_EXPRESSIONS: Final = 2
"""So few that, asked of now and before, they cannot open the breaker alone (`service.breaker`)."""


@dataclass(frozen=True, slots=True)
class AlertQuestion:
    """The question; what its series may be about, the first that their labels name; and whose they are if these name
    nobody: the service of the alert.
    """

    question: Question
    abouts: tuple[About, ...]
    service: str


def alert_questions(alerts: Sequence[Alert], labels: Labels) -> tuple[list[AlertQuestion], list[str]]:
    """Each expression once, those of alerts that fire first; and notes on those that are not asked."""
    first = sorted(alerts, key=lambda alert: not alert.firing)
    services = {alert.expression: alert.service for alert in reversed(first) if alert.expression}
    expressions = list(dict.fromkeys(alert.expression for alert in first if alert.expression))
    short = [expression for expression in expressions if len(expression) <= LONGEST_EXPRESSION]
    asked = [_question(expression, services[expression], labels) for expression in short[:MOST_EXPRESSIONS]]
    left = len(expressions) - len(asked)
    why = f"only {MOST_EXPRESSIONS} of {LONGEST_EXPRESSION:,} characters are"
    return asked, [f"{left} of {len(expressions)} expressions of alerts are not asked: {why}"] if left else []


def _question(expression: str, service: str, labels: Labels) -> AlertQuestion:
    measured, falls = measured_by(expression)
    by = ", ".join(dict.fromkeys((*labels.owners, *labels.peer)))
    query = f"{'min' if falls else 'max'} by ({by}) (\n{measured}\n)"  # on its own line: it may end with a comment
    of_pods = _OF_PODS.search(measured) is not None
    question = Question(name_of(" ".join(measured.split())), "", "component", query, of_pods=of_pods)
    abouts: tuple[About, ...] = ("edge", "component", "node")
    if _OF_NODES.search(measured):
        abouts = ("node", "edge", "component")
    return AlertQuestion(question, abouts, service)


def measured_by(expression: str) -> tuple[str, bool]:
    """What an expression compares with a limit, and whether it is bad when it is low.

    A comparison keeps the samples for which it holds: alone it would have nothing of before the incident. What stands
    left of the first one has the same series, always. One inside of parentheses or of a function stays as it is.
    """
    depth = 0
    for token in _TOKENS.finditer(expression):
        text = token[0]
        if text in _OPENING:
            depth += 1
        elif text in _CLOSING:
            depth -= 1
        elif depth == 0 and text in _COMPARISONS:
            limit = expression[token.end() :]
            left = expression[: token.start()].strip()
            falls = text in ("<", "<=") or (text == "==" and _ZERO.match(limit) is not None)
            return (left, falls) if left else (expression, False)
    return expression, False


_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_COMPARISONS = frozenset(("==", "!=", ">=", "<=", ">", "<"))
_TOKENS = re.compile(
    r'"(?:\\.|[^"\\])*"?|' + r"'(?:\\.|[^'\\])*'?|`[^`]*`?|#[^\n]*|[(\[{)\]}]|==|!=|>=|<=|>|<",
    re.DOTALL,
)
"""Texts and comments, even where they do not end; parentheses; comparisons."""
_ZERO = re.compile(r"\s*(?:bool\s+)?0+(?:\.0*)?(?![\d.xX])")
_OF_PODS = re.compile(r"\b(?:container_|kube_pod_)")
_OF_NODES = re.compile(r"\bnode_")
