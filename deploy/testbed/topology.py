"""A shop as its TOML file tells it: services, their operations, who calls whom, stores, and what customers do."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.testbed.errors import ShopError

SHOPS = Path(__file__).parent / "shops"

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,30}$")]
Target = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]+/[a-z][a-z0-9/-]*$")]
"""``service/operation``."""


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Step(_Told):
    """One thing that an operation does; exactly one of the first six is told.

    ``call`` one operation, ``fan_out`` to several at once, ``read`` or ``write`` a row of a PostgreSQL table,
    ``cache`` look a key up in Redis, ``publish`` to a Redis stream. An ``optional`` step may fail without the
    operation failing; ``retries`` repeats a call that failed; ``timeout_ms`` bounds one attempt.
    """

    call: Target | None = None
    fan_out: tuple[Target, ...] = ()
    read: Name | None = None
    write: Name | None = None
    cache: Name | None = None
    publish: Name | None = None
    optional: bool = False
    retries: int = Field(default=0, ge=0, le=3)
    timeout_ms: int = Field(default=1500, ge=1, le=10_000)

    @property
    def targets(self) -> tuple[str, ...]:
        """Operations that the step calls."""
        return (self.call,) if self.call else self.fan_out

    @property
    def told(self) -> int:
        """How many things it says to do."""
        return sum(map(bool, (self.call, self.fan_out, self.read, self.write, self.cache, self.publish)))


class Operation(_Told):
    """``work_ms`` is how long the service itself takes, of which a fifth burns cpu. ``checks`` makes it verify the
    results of its callees; ``log`` is a line told of each execution ({} is a number).
    """

    work_ms: float = Field(default=3, ge=0, le=500)
    steps: tuple[Step, ...] = ()
    checks: bool = False
    log: str = ""


class Service(_Told):
    """``cpu`` is the node's number, ``pool`` how many PostgreSQL connections each replica holds, ``consumes`` the
    stream whose messages run the operation ``consume``.
    """

    node: Name
    replicas: int = Field(default=1, ge=1, le=3)
    pool: int = Field(default=4, ge=1, le=20)
    consumes: Name | None = None
    operations: dict[str, Operation]


class Store(_Told):
    """A real server. Its ``kind`` says which."""

    kind: Literal["postgres", "redis"]
    node: Name


class Journey(_Told):
    """What one kind of customer does: entry operations one after the other; ``share`` of all journeys, drifting."""

    steps: tuple[Target, ...] = Field(min_length=1)
    share: float = Field(gt=0, le=1)


class Shop(_Told):
    """One system. ``rate_per_s`` journeys start each second; above ``latency_alert_ms`` at the entry an alert fires."""

    name: Name
    entry: Name
    nodes: tuple[Name, ...] = Field(min_length=1)
    rate_per_s: float = Field(gt=0, le=50)
    latency_alert_ms: int = Field(ge=20, le=5000)
    stores: dict[Name, Store]
    services: dict[Name, Service]
    journeys: dict[Name, Journey]

    def operation(self, target: str) -> Operation:
        """The operation that ``service/operation`` names."""
        service, _, operation = target.partition("/")
        return self.services[service].operations[operation]

    def store(self, kind: str) -> str:
        """The name of the store of that kind."""
        return next(name for name, store in self.stores.items() if store.kind == kind)

    def places(self, service: str, spare: int = 0) -> tuple[str, ...]:
        """Where a service's replicas run, as plans name them, and so many places more; a store has one."""
        count = self.services[service].replicas if service in self.services else 1
        return tuple(f"{service}-{number}" for number in range(count + spare))

    def cpu(self, node: str, cpus: int) -> int:
        """Which of the machine's cores plays that node."""
        return self.nodes.index(node) % cpus

    def node_of(self, component: str) -> str:
        """The node that a service or a store runs on."""
        return (self.services.get(component) or self.stores[component]).node

    def calls(self) -> list[tuple[str, str]]:
        """Pairs (caller, callee) of services and stores, each once."""
        return list(dict.fromkeys(self._all_calls()))

    def _all_calls(self) -> Iterator[tuple[str, str]]:
        for name, service in self.services.items():
            if service.consumes:
                yield name, self.store("redis")
            for step in (step for operation in service.operations.values() for step in operation.steps):
                yield from ((name, target.partition("/")[0]) for target in step.targets)
                if step.read or step.write:
                    yield name, self.store("postgres")
                if step.cache or step.publish:
                    yield name, self.store("redis")

    def tables(self) -> list[str]:
        """PostgreSQL tables that operations speak of."""
        steps = [s for service in self.services.values() for op in service.operations.values() for s in op.steps]
        return list(dict.fromkeys(name for step in steps for name in (step.read, step.write) if name))


def read_shop(named: str | Path) -> Shop:
    """The shop in a file, or the one of ours with that name. Raises `ShopError` with one line."""
    path = Path(named) if str(named).endswith(".toml") else SHOPS / f"{named}.toml"
    try:
        shop = Shop.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in SHOPS.glob("*.toml")))
        raise ShopError(f"{path}: is not there; our own shops are {known}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ShopError(f"{path}: {str(error).splitlines()[0]}") from None
    except ValidationError as error:
        fault = error.errors()[0]
        raise ShopError(f"{path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
    for fault in _faults(shop):
        raise ShopError(f"{path}: {fault}")
    return shop


def _faults(shop: Shop) -> Iterator[str]:
    if shop.entry not in shop.services:
        yield f"entry: '{shop.entry}' is no service"
    for component, node in [(n, p.node) for n, p in (*shop.services.items(), *shop.stores.items())]:
        if node not in shop.nodes:
            yield f"{component}: node '{node}' is not among nodes"
    for journey, told in shop.journeys.items():
        for target in told.steps:
            if target.partition("/")[0] != shop.entry:
                yield f"journeys.{journey}: '{target}' is no operation of the entry '{shop.entry}'"
            if not _exists(shop, target):
                yield f"journeys.{journey}: '{target}' is not there"
    for name, service in shop.services.items():
        yield from _service_faults(shop, name, service)
    yield from _cycles(shop)


def _service_faults(shop: Shop, name: str, service: Service) -> Iterator[str]:
    kinds = {store.kind for store in shop.stores.values()}
    if service.consumes and "consume" not in service.operations:
        yield f"services.{name}: consumes '{service.consumes}' but has no operation 'consume'"
    for operation, told in service.operations.items():
        for step in told.steps:
            where = f"services.{name}.operations.{operation}"
            if step.told != 1:
                yield f"{where}: a step says one of call, fan_out, read, write, cache, publish; here are {step.told}"
            for target in step.targets:
                if not _exists(shop, target):
                    yield f"{where}: calls '{target}', which is not there"
            if (step.read or step.write) and "postgres" not in kinds:
                yield f"{where}: reads or writes, but there is no store of kind postgres"
            if (step.cache or step.publish) and "redis" not in kinds:
                yield f"{where}: caches or publishes, but there is no store of kind redis"


def _exists(shop: Shop, target: str) -> bool:
    service, _, operation = target.partition("/")
    return service in shop.services and operation in shop.services[service].operations


def _cycles(shop: Shop) -> Iterator[str]:
    """Operations that would call themselves in the end."""
    done: set[str] = set()

    def walk(target: str, above: tuple[str, ...]) -> Iterator[str]:
        if target in above:
            yield f"{' → '.join((*above, target))}: operations call each other in a circle"
        elif target not in done and _exists(shop, target):
            for step in shop.operation(target).steps:
                for callee in step.targets:
                    yield from walk(callee, (*above, target))
            done.add(target)

    for name, service in shop.services.items():
        for operation in service.operations:
            yield from walk(f"{name}/{operation}", ())
