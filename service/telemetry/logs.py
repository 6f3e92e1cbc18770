"""Log lines: JSON with the ids of the trace that they belong to, or words for people who look at a terminal."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, TextIO

from opentelemetry import trace

from service.telemetry.name import NAME
from service.text import UNPRINTABLE

Format = Literal["auto", "json", "text"]
"""How lines are written; "auto" is text where somebody looks, JSON elsewhere."""

_OURS = (NAME, "uvicorn", "opentelemetry")


class JsonLines(logging.Formatter):
    """A log record as one line of JSON; what it was given as ``extra={"fields": {…}}`` stands beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_ids(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class Words(logging.Formatter):
    """A log record for people: when, how grave, what, and beside it the fields. What cannot be printed is escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the lines of an exception below it."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        part = record.name.removeprefix(f"{NAME}.")
        told = " ".join(f"{name}={value}" for name, value in {**_fields(record), **_ids()}.items())
        line = f"{time} {record.levelname.lower():7} {part}: {record.getMessage()}{told and '  '}{told}"
        below = self.formatException(record.exc_info).split("\n") if record.exc_info else ()
        return "\n".join(map(_escape, (line, *below)))


def log_to(stream: TextIO, level: str = "info", format_: Format = "auto") -> None:
    """Write hypocenter's, the server's and the exporter's log lines to a stream, from now on."""
    handler = logging.StreamHandler(stream)
    readable = format_ == "text" or (format_ == "auto" and stream.isatty())
    handler.setFormatter(Words() if readable else JsonLines())
    for name in _OURS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level.upper())
    logging.getLogger("uvicorn.access").disabled = True  # the metrics count requests


def logger(part: str) -> logging.Logger:
    """The logger of a part of hypocenter."""
    return logging.getLogger(f"{NAME}.{part}")


def _escape(text: str) -> str:
    return UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    return getattr(record, "fields", {})


def _ids() -> dict[str, str]:
    """Those of the span that is active, if one is."""
    active = trace.get_current_span().get_span_context()
    if not active.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(active.trace_id), "span_id": trace.format_span_id(active.span_id)}
