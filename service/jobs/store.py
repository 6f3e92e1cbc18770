from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from service.domain.window import Window
from service.errors import HypocenterError
from service.jobs.grouping import Notification
from service.jobs.records import (
    Backlog,
    Change,
    Claim,
    Ending,
    IncidentPage,
    IncidentQuery,
    IncidentRecord,
    Lease,
    LocalizationRecord,
    Question,
    Receipt,
    StoredStep,
    StoredVerdict,
)

QUEUE = "queue"
"""The topic that changes when there may be work to take; a localization's topic is its id."""

MAX_FAILURES = 3
"""A localization that raised this often is set aside as failed."""

MAX_ATTEMPTS = 10
"""So is one that was taken this often: it is probably what kills its workers. More than `MAX_FAILURES`, because most
of the time a worker dies of something else."""


class LeaseLost(HypocenterError):
    """Somebody else holds the localization by now, or it ended: what this worker does for it no longer counts."""


class Watch(Protocol):
    """Tells that a topic may have changed."""

    async def next(self, timeout_s: float) -> None:
        """Return soon after a change since the last call, at the latest after ``timeout_s``, perhaps without reason."""
        ...


class IncidentStore(Protocol):
    """Keeps incidents, the localizations that they cause (which are the jobs), their steps, changes and verdicts.

    A method that writes returns only once its write would survive the process and the machine. Every method ends
    within a limit of the implementation's own and raises `service.errors.StoreError` if it could not do its work. What
    a tenant asks for is sought among its own only.
    """

    async def accept(self, notification: Notification, now: datetime) -> tuple[Receipt, ...]:
        """Place a notification (see `service.jobs.grouping`) and queue what it makes necessary, all or nothing."""
        ...

    async def ask(self, tenant: str, question: Question, now: datetime) -> Receipt:
        """Queue a localization, always a new one, ahead of the others."""
        ...

    async def incident(self, tenant: str, incident_id: str) -> IncidentRecord | None:
        """The incident of that id; None if the tenant has none."""
        ...

    async def incidents(self, query: IncidentQuery) -> IncidentPage:
        """One page. Raises `service.errors.CallerError` for a cursor that is none."""
        ...

    async def localization(self, tenant: str, localization_id: str) -> LocalizationRecord | None:
        """The localization of that id; None if the tenant has none."""
        ...

    async def transcript(self, tenant: str, localization_id: str) -> str | None:
        """The transcript's JSON; None if there is none (yet)."""
        ...

    async def graph(self, tenant: str, localization_id: str) -> str | None:
        """The JSON of the graph that the answer speaks of; None if there is none (yet)."""
        ...

    async def steps(self, tenant: str, localization_id: str, after: int) -> list[StoredStep]:
        """Steps with a number above ``after``, in order."""
        ...

    async def cancel(self, tenant: str, localization_id: str, now: datetime) -> LocalizationRecord | None:
        """End it as cancelled unless it ended before; whoever works on it loses the lease. Returns it as it is then."""
        ...

    async def claim(self, owner: str, lease_s: float, now: datetime) -> Claim | None:
        """Take the first localization that waits, or whose lease ran out in other hands; its old steps are dropped."""
        ...

    async def renew(self, lease: Lease, lease_s: float, now: datetime) -> None:
        """Hold it for longer. Raises `LeaseLost`, as all that take a lease do."""
        ...

    async def add_steps(self, lease: Lease, steps: Sequence[StoredStep]) -> None:
        """Store steps as they are made."""
        ...

    async def finish(self, lease: Lease, ending: Ending, now: datetime) -> None:
        """Store the answer: done."""
        ...

    async def fail(self, lease: Lease, error: str, now: datetime, retry_at: datetime) -> LocalizationRecord:
        """It raised: queued again from ``retry_at``, or set aside as failed after `MAX_FAILURES`."""
        ...

    async def hand_back(self, lease: Lease, now: datetime) -> None:
        """Queue it again as if it had not been taken: the worker goes, the job is not to blame."""
        ...

    async def add_changes(self, tenant: str, changes: Sequence[Change]) -> None:
        """Store changes; one that is known already is not kept twice."""
        ...

    async def changes(self, tenant: str, window: Window) -> list[Change]:
        """Changes of the window, in order of time."""
        ...

    async def put_verdict(self, tenant: str, localization_id: str, verdict: StoredVerdict) -> None:
        """Store what the operator found; a later verdict replaces an earlier one."""
        ...

    async def verdict(self, tenant: str, localization_id: str) -> StoredVerdict | None:
        """What the operator found; None if nobody told."""
        ...

    def watch(self, topic: str) -> AbstractContextManager[Watch]:
        """Be told of changes. Look after entering, then after every `Watch.next`: so none is missed."""
        ...

    async def backlog(self, now: datetime) -> Backlog:
        """How much there is to do."""
        ...

    async def check(self) -> str:
        """Write something and say what was found, on one line."""
        ...

    async def close(self) -> None:
        """Let go of everything; what was written stays."""
        ...
