"""Who asks, and what they may."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from fastapi import Depends, Request

TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
"""A tenant's name; it is part of headers and of a directory's name. The tenant of who names none is ""."""

ANY_TENANT = "*"


class Scope(StrEnum):
    """What a token lets do: tell (alerts, changes, telemetry), look, and cause or change something."""

    INGEST = "ingest"
    READ = "read"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True)
class Caller:
    """The token's name and the tenant in whose name this request is made. ``chooses`` who may name any tenant."""

    name: str
    tenant: str
    scopes: frozenset[Scope] = frozenset(Scope)
    chooses: bool = False


async def caller_of(request: Request) -> Caller:
    """The caller as the doors have let them in."""
    found: Caller = request.state.caller
    return found


ACaller = Annotated[Caller, Depends(caller_of)]
