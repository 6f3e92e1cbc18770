"""What stores are told in the contract's tests, and what workers take from them."""

from datetime import UTC, datetime

from service.domain.alert import Alert
from service.jobs.grouping import Notification
from service.jobs.records import (
    Claim,
    Receipt,
)
from service.jobs.store import IncidentStore

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
LEASE_S = 10.0


def alert(service: str = "cart", *, began: datetime = NOW, ended: datetime | None = None) -> Alert:
    labels = {"alertname": "Slow", "service": service}
    return Alert(f"f-{service}", began, ended, labels, {"summary": "it is slow"}, "http://prometheus/graph")


def firing(*services: str, tenant: str = "", group_key: str = "{}:{}") -> Notification:
    return Notification(tenant, group_key, tuple(alert(service) for service in services))


async def accepted(store: IncidentStore, *services: str, tenant: str = "") -> Receipt:
    (receipt,) = await store.accept(firing(*services, tenant=tenant, group_key=f"group of {services}"), NOW)
    return receipt


async def taken(store: IncidentStore, owner: str = "w1", now: datetime = NOW) -> Claim:
    claim = await store.claim(owner, LEASE_S, now)
    assert claim is not None
    return claim
