"""Which incidents to record: a plan file, in the order of its recordings."""

import random
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.testbed.errors import ShopError
from deploy.testbed.faults import WAYS, Active, FalseAlarm, Injection, Release
from deploy.testbed.topology import Name, Shop, read_shop


class Planned(BaseModel):
    """One incident: its faults (none: nothing is wrong) and the shop that it befalls. Harmless are ``deploys``, which
    are over before it, and ``releases``, which begin with it: one replica of the new version runs beside the old ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{2,60}$")]
    shop: Name
    faults: tuple[Injection, ...] = Field(default=(), max_length=3)
    deploys: tuple[Name, ...] = ()
    releases: tuple[Name, ...] = ()

    def doings(self) -> list[Active]:
        """All that is done to the shop, in its order. Which of several releases is announced first says nothing."""
        deploys = [Release(service) for service in self.deploys]
        releases = [Release(service, rolling=True) for service in self.releases]
        faults = [WAYS[fault.kind, fault.how](fault) for fault in self.faults] or [FalseAlarm()]
        return [*deploys, *random.sample([*releases, *faults], len(releases) + len(faults))]


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
        places = {place for service in shop.services for place in shop.places(service)}
        known = {*shop.services, *shop.stores, *shop.nodes, *shop.journeys, *places}
        for name in (*(fault.on for fault in planned.faults), *planned.deploys, *planned.releases):
            for part in name.split("->"):
                if part not in known:
                    raise ShopError(f"{path}: incident '{planned.id}': '{part}' is not in the shop {shop.name}")
        rolling = [*planned.releases, *(fault.on for fault in planned.faults if fault.rolling)]
        for name in rolling:
            if name == shop.entry or name not in shop.services or rolling.count(name) > 1:
                raise ShopError(f"{path}: incident '{planned.id}': '{name}' cannot be released while old replicas stay")
        for fault in planned.faults:
            _check_operation(path, planned, shop, fault)


def _check_operation(path: Path, planned: Planned, shop: Shop, fault: Injection) -> None:
    service = fault.on if fault.on in shop.services else fault.on.rpartition("-")[0]
    if fault.operation and (service not in shop.services or fault.operation not in shop.services[service].operations):
        raise ShopError(f"{path}: incident '{planned.id}': {service} has no operation '{fault.operation}'")
