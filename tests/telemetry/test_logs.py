import io
import json
import logging

import pytest

from service.telemetry import continued, log_to, logger, span, tracer

TRACE = "0a" * 16


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _leave_logging_as_it_was() -> object:
    loggers = [logging.getLogger(name) for name in ("hypocenter", "uvicorn", "opentelemetry")]
    before = [(log, log.handlers, log.propagate, log.level) for log in loggers]
    yield None
    for log, log.handlers, log.propagate, level in before:
        log.setLevel(level)


def test_a_line_within_a_trace_has_its_ids() -> None:
    stream = io.StringIO()
    log_to(stream)
    with continued(tracer(), f"00-{TRACE}-{'0b' * 8}-01"), span("whole"):
        logger("worker").info("localized", extra={"fields": {"stop": "answered"}})
    logger("worker").info("idle")
    within, without = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (within["trace_id"], len(within["span_id"]), within["stop"]) == (TRACE, 16, "answered")
    assert within["span_id"] != "0b" * 8
    assert (without["message"], without["logger"], without["level"]) == ("idle", "hypocenter.worker", "info")
    assert "trace_id" not in without


def test_on_a_terminal_a_line_is_words_and_nothing_that_a_stranger_wrote_moves_the_cursor() -> None:
    stream = Terminal()
    log_to(stream)
    logger("worker").info("localized %s", "\x1b[2Jcart\n", extra={"fields": {"stop": "answered"}})
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("info    worker: localized \\x1b[2Jcart\\n  stop=answered")


def test_on_a_terminal_an_exception_moves_no_cursor_either() -> None:
    stream = Terminal()
    log_to(stream)
    logger("worker").error("failed", exc_info=ValueError("first \x1b[2J\nsecond \u202e \u3164"))
    assert stream.getvalue().splitlines()[1:] == ["ValueError: first \\x1b[2J", "second \\u202e \\u3164"]


@pytest.mark.parametrize(("format_", "stream"), [("json", Terminal()), ("text", io.StringIO())])
def test_what_is_set_is_kept_to_whoever_looks(format_: str, stream: io.StringIO) -> None:
    log_to(stream, format_="json" if format_ == "json" else "text")
    logger("app").error("broke", exc_info=ValueError("x"))
    assert stream.getvalue().startswith("{") == (format_ == "json")
    assert "ValueError: x" in stream.getvalue()
