from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from service.domain.component import Component
from service.domain.evidence import Evidence
from service.domain.fault import Fault


class Stop(StrEnum):
    """Why a localization ended."""

    ANSWERED = "answered"
    OUT_OF_TURNS = "out_of_turns"
    OUT_OF_TOKENS = "out_of_tokens"
    OUT_OF_TIME = "out_of_time"
    MODEL_DOWN = "model_down"
    MODEL_BUSY = "model_busy"  # it had no time for this incident while that would have helped
    OVER_BUDGET = "over_budget"  # its tenant has used up what the model may cost
    CANCELLED = "cancelled"


class RankedBy(StrEnum):
    """Which part of hypocenter made the order of the causes."""

    MODEL = "model"
    STATISTICAL = "statistical"
    FUSED = "fused"


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model answered; the checksum is that of its weights, "" where there are none to be had."""

    name: str
    version: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A component with the strength of suspicion (≥ 0, comparable within one ranking only) and what proves it."""

    component: Component
    fault: Fault
    score: float
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """One line of the answer. Every sentence in it is written by code from evidence rows."""

    component: Component
    fault: Fault
    confidence: float
    reason: str
    path: tuple[str, ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """What the localization cost."""

    frames: int = 0
    turns: int = 0
    tool_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Localization:
    """The answer: ranked causes, most likely first, and how they came about.

    ``notes`` says what evidence was missing or partial, a line each; ``dropped`` counts what the model cited and
    verification refused.
    """

    stop: Stop
    ranked_by: RankedBy
    unresolved: bool
    causes: tuple[Cause, ...]
    seconds: float
    model: ModelIdentity | None = None
    usage: Usage = field(default_factory=Usage)
    notes: Sequence[str] = ()
    dropped: int = 0
