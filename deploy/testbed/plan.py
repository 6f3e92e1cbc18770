"""Which incidents to record: a plan file, in the order of its recordings."""

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.testbed.errors import ShopError
from deploy.testbed.faults import Injection
from deploy.testbed.topology import Name, read_shop


class Planned(BaseModel):
    """One incident: its faults (none: nothing is wrong), harmless deploys before it, and the shop that it befalls."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{2,60}$")]
    shop: Name
    faults: tuple[Injection, ...] = Field(default=(), max_length=3)
    deploys: tuple[Name, ...] = ()


class Plan(BaseModel):
    """Incidents and how long the phases of each take (seconds).

    ``baseline_s`` healthy, ``lead_s`` healthy still but under suspicion, then the fault until the alert
    (``alert_limit_s`` at most) and ``tail_s`` more, then ``settle_s`` to recover.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    baseline_s: float = Field(default=75, ge=20)
    lead_s: tuple[float, float] = (8, 18)
    alert_limit_s: float = Field(default=50, ge=10)
    tail_s: float = Field(default=12, ge=0)
    settle_s: float = Field(default=12, ge=0)
    attempts: int = Field(default=3, ge=1)
    incidents: tuple[Planned, ...]


def read_plan(path: Path) -> Plan:
    """The plan in a file. Raises `ShopError` with one line."""
    try:
        plan = Plan.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ShopError(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ShopError(f"{path}: {str(error).splitlines()[0]}") from None
    except ValidationError as error:
        fault = error.errors()[0]
        raise ShopError(f"{path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
    _check(path, plan)
    return plan


def left_to_do(plan: Plan, out: Path) -> list[Planned]:
    """Incidents that are not recorded yet: a recording is whole once it has its place."""
    return [planned for planned in plan.incidents if not case_directory(out, planned).exists()]


def case_directory(out: Path, planned: Planned) -> Path:
    """Where the recording of an incident lies."""
    return out / planned.shop / planned.id


def _check(path: Path, plan: Plan) -> None:
    ids = [planned.id for planned in plan.incidents]
    for repeated in (name for number, name in enumerate(ids) if name in ids[:number]):
        raise ShopError(f"{path}: incident '{repeated}' is there twice")
    for planned in plan.incidents:
        shop = read_shop(planned.shop)
        pods = {pod for service in shop.services for pod in shop.pods(service)}
        known = {*shop.services, *shop.stores, *shop.nodes, *shop.journeys, *pods}
        for name in (*(told.on for told in planned.faults), *planned.deploys):
            for part in name.split("->"):
                if part not in known:
                    raise ShopError(f"{path}: incident '{planned.id}': '{part}' is not in the shop {shop.name}")
