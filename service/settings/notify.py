"""Where answers go: a table ``[notify.NAME]`` each."""

from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from service.settings.backends import BackendSettings
from service.settings.values import Words

Paths = tuple[Path, ...]
OWN_LABELS = ("alertname", "service", "fault", "incident")


def _not_ours(name: str) -> str:
    if name in OWN_LABELS:
        raise ValueError(f"is a label that tells what was found: should be none of {', '.join(OWN_LABELS)}")
    return name


LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$"), AfterValidator(_not_ours)]
"""Of an alert."""


class NotifySettings(BackendSettings):
    """One that is told answers: who it is and how it is reached, and which of them it is told.

    Where whoever knows the address may post, the whole of it stands in ``url_file``: Slack's always does. A webhook is
    signed by the keys in ``secret_files``, two while one replaces the other. ``labels`` are those of an Alertmanager's
    alert beside our own, ``lasts_s`` is how long it lasts at most.
    """

    kinds: ClassVar[tuple[str, ...]] = ("webhook", "slack", "grafana", "alertmanager")

    url_file: Path | None = None
    secret_files: Annotated[Paths, Field(max_length=2)] = ()
    labels: dict[LabelName, str] = Field(default_factory=dict)
    lasts_s: Annotated[float, Field(gt=0, le=604_800, allow_inf_nan=False)] = 14_400.0
    unresolved: bool = True
    """Also answers in which no cause stands out."""
    asked: bool = False
    """Also answers that somebody asked for, and waits for."""
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.0
    tenants: Words = ()
    give_up_s: Annotated[float, Field(gt=0, le=604_800, allow_inf_nan=False)] = 86_400.0

    @property
    def somewhere(self) -> bool:
        """Whether it is said where it is."""
        return bool(self.url or self.url_file)

    @property
    def place(self) -> str:
        """Which setting says where it is."""
        return "url_file" if self.kind == "slack" else "url"

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if not self.kind:
            raise ValueError(f"has no kind, which should be one of {', '.join(self.kinds)}")
        if self.kind == "slack" and self.url:
            raise ValueError("has a url, which is a secret here: it should stand in a url_file")
        if self.url and self.url_file:
            raise ValueError("has a url and a url_file: choose one")
        if self.url_file and self.kind not in ("webhook", "slack"):
            raise ValueError(f"has a url_file, but is of kind {self.kind}: its address is no secret, its token is")
        if self.kind == "webhook" and not self.secret_files:
            raise ValueError("has no secret_files: a webhook is signed")
        return self


TargetName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Targets = dict[TargetName, NotifySettings]
