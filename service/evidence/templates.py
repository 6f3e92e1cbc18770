"""Log lines reduced to templates: what stays the same in every line that one statement of the program writes."""

import re
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from drain3 import TemplateMiner  # pyright: ignore[reportMissingTypeStubs]
from drain3.template_miner_config import TemplateMinerConfig  # pyright: ignore[reportMissingTypeStubs]

from service.evidence.lineage import Ints, codes

_compute = cast(Any, pc)

_LINE_LENGTH = 400
"""Characters of a line that are looked at: what a template says, it says at its beginning."""

_MAX_DISTINCT = 5_000
"""Masked lines of one service that are clustered; what is rarer than these many others is left as it is. Whoever writes
what nobody has ever written takes no other's place.
"""

# Applied in this order (RE2 syntax): the longer form before the shorter that is part of it.
_MASKS = (
    (r"\d{4}-\d\d-\d\d[T ]?(?:\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?|\d\d:\d\d:\d\d(?:[.,]\d+)?", "<time>"),
    (r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}", "<id>"),
    (r"\b(?:[0-9a-fA-F]{16,}|0x[0-9a-fA-F]+)\b", "<id>"),
    (r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b", "<address>"),
    (r"(\.(?:go|py|java|js|ts|rs|cs|rb|c|cc|cpp|kt|scala|php)):(\d+)\b", r"\1#\2"),
    # A number after "#" stays: it is the line of the statement that wrote it, which is what a template stands for.
    (r"(^|[^\w#<])-?\d+(?:[.,:]\d+)*(?:ms|us|ns|s|m|h|kb|mb|gb|%)?\b", r"\1<n>"),
)

_LEVELS = (
    (
        "error",
        r"\b(?:ERROR|FATAL|CRITICAL|SEVERE|PANIC|EMERG|ALERT|ERR)\b|\blevel\W{1,4}(?:error|fatal|critical|panic)\b",
    ),
    ("warn", r"\b(?:WARN|WARNING)\b|\blevel\W{1,4}warn(?:ing)?\b"),
    ("info", r"\b(?:INFO|NOTICE)\b|\blevel\W{1,4}(?:info|notice)\b"),
    ("debug", r"\b(?:DEBUG|TRACE)\b|\blevel\W{1,4}(?:debug|trace)\b"),
)
_LEVEL_NAMES = {
    **dict.fromkeys(("error", "fatal", "critical", "severe", "panic", "emerg", "alert", "err", "crit"), "error"),
    **dict.fromkeys(("warn", "warning"), "warn"),
    **dict.fromkeys(("info", "notice", "information", "informational"), "info"),
    **dict.fromkeys(("debug", "trace", "verbose"), "debug"),
}
_LEVEL_IN_TEXT = tuple((name, re.compile(pattern)) for name, pattern in _LEVELS)
_TROUBLE = re.compile(r"exception|traceback|stack ?trace|panic:|segfault|fatal", re.IGNORECASE)
_STATEMENT = re.compile(r"\w#\d+")
"""Where in the program a line was written, if it tells: two statements are never one template."""

_HEAD = 120
"""A level stands in the head of a line; further on the word belongs to what the line talks about."""


def severity_of(recorded: str, text: str) -> str:
    """error, warn, info, debug or "": as recorded, else as the head of the text says, else error if it tells of one."""
    if known := _LEVEL_NAMES.get(recorded.strip().lower().rstrip("0123456789")):
        return known
    head = text[:_HEAD]
    for name, pattern in _LEVEL_IN_TEXT:
        if pattern.search(head):
            return name
    return "error" if _TROUBLE.search(text) else ""


@dataclass(frozen=True)
class Templates:
    """The template of every line (a code into ``texts``) and of every template its text and severity."""

    code: Ints
    texts: list[str]
    severities: list[str]


def mine_templates(lines: pa.Table) -> Templates:
    """Find the templates of log lines (schema `service.ports.LOGS`); a template belongs to one service and severity.

    What varies by its form (times, ids, addresses, numbers) is masked over whole columns; Drain (He et al., ICWS 2017)
    then merges what else varies, over the distinct masked lines only.
    """
    masked = _compute.utf8_slice_codeunits(lines["body"], 0, _LINE_LENGTH)
    for pattern, replacement in _MASKS:
        masked = _compute.replace_substring_regex(masked, pattern, replacement)
    body, bodies = codes(masked)
    owner, owners = codes(lines["service"])
    level, levels = codes(lines["severity"])
    key = (body * len(owners) + owner) * len(levels) + level
    distinct, line, counts = np.unique(key, return_inverse=True, return_counts=True)
    rest, level_of = np.divmod(distinct, len(levels))
    body_of, owner_of = np.divmod(rest, len(owners))
    common = np.argsort(-counts, kind="stable")
    template = np.empty(len(distinct), np.int64)
    texts: list[str] = []
    severities: list[str] = []
    known: dict[tuple[int, str, str, str], int] = {}
    miners: dict[int, TemplateMiner] = {}
    place = _place_within(owner_of[common])
    for position in common[place < _MAX_DISTINCT]:
        text, own = bodies[body_of[position]], int(owner_of[position])
        severity = severity_of(levels[level_of[position]], text)
        miner = miners.setdefault(own, TemplateMiner(config=_drain_config()))
        cluster = str(miner.add_log_message(text)["cluster_id"])  # pyright: ignore[reportUnknownMemberType]
        statement = found[0] if (found := _STATEMENT.search(text)) else ""
        code = known.setdefault((own, severity, statement, cluster), len(texts))
        if code == len(texts):
            texts.append(text)
            severities.append(severity)
        template[position] = code
    for position in common[place >= _MAX_DISTINCT]:
        template[position] = len(texts)
        texts.append(bodies[body_of[position]])
        severities.append(severity_of(levels[level_of[position]], texts[-1]))
    return Templates(template[line], texts, severities)


def _place_within(groups: Ints) -> Ints:
    """For each entry how many of its own group stand before it."""
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    place = np.empty(len(groups), np.int64)
    place[order] = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return place


def _drain_config() -> TemplateMinerConfig:
    config = TemplateMinerConfig()
    config.drain_sim_th = 0.5
    config.drain_depth = 4
    config.drain_max_children = 100
    config.drain_extra_delimiters = ["[", "]", "(", ")", "=", ",", ":", "{", "}", '"']
    config.profiling_enabled = False
    return config
