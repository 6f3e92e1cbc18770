"""The stored answer, as much of it as is told."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from service.domain.component import EDGE_ARROW, ComponentKind
from service.errors import HypocenterError
from service.stores.validation import Moment, first_fault


class Untellable(HypocenterError):
    """There is no answer (any more) that could be told."""


class _Told(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Component(_Told):
    """What is at fault."""

    kind: str
    name: str

    @property
    def service(self) -> str:
        """Whose it is, as far as its name tells: of calls, the callee's."""
        return self.name.rpartition(EDGE_ARROW)[2] if self.kind == ComponentKind.EDGE else self.name


class Proof(_Told):
    """One piece of evidence: what a signal says, and where people can look at it ("" if nowhere)."""

    signal: str
    statement: str
    window: tuple[Moment, Moment]
    link: str = ""


class Cause(_Told):
    """One line of the answer."""

    component: Component
    fault: str
    confidence: float
    reason: str
    path: tuple[str, ...] = ()
    evidence: tuple[Proof, ...] = ()


class Answer(_Told):
    """Ranked causes, most likely first; ``unresolved`` if none of them stands out."""

    schema_version: Literal["1"]
    unresolved: bool
    causes: tuple[Cause, ...]
    onset: Moment | None = None
    notes: tuple[str, ...] = ()

    @property
    def window(self) -> tuple[datetime, datetime] | None:
        """The time that was looked at; None where nothing was found in it."""
        return next((proof.window for cause in self.causes for proof in cause.evidence), None)


def answer_of(result: str) -> Answer:
    """The answer that a localization's record holds. Raises `Untellable` if it holds none."""
    try:
        return Answer.model_validate_json(result)
    except ValidationError as error:
        raise Untellable(f"the stored answer cannot be told: {first_fault(error)}") from None
