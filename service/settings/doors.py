from pathlib import Path
from typing import Annotated

from pydantic import Field

from service.settings.values import Group


class DoorsSettings(Group):
    """Who may come in, and in whose name. Without ``tokens_file`` everybody on this machine may, and nobody else."""

    tokens_file: Path | None = None
    """What ``hypocenter token`` writes; read again when it changes."""
    metrics_open: bool = False
    """Whether /metrics may be read without a token."""
    tenant_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = "X-Scope-OrgID"
    tenant_label: str = ""
    """The label that says whose an alert is, for who may name any tenant."""
