from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from service.domain.window import Window
from service.errors import HypocenterError
from service.jobs.grouping import Notification
from service.jobs.kin import NO_KIN, Kin
from service.jobs.records import (
    NO_LIMITS,
    Backlog,
    Change,
    Claim,
    Delivery,
    DeliveryRecord,
    Ending,
    IncidentPage,
    IncidentQuery,
    IncidentRecord,
    Lease,
    Limits,
    LocalizationRecord,
    Question,
    Receipt,
    StoredStep,
    StoredVerdict,
)

QUEUE = "queue"
"""The topic that changes when there may be work to take; a localization's topic is its id."""

DELIVERIES = "deliveries"
"""The topic that changes when there may be an answer to deliver."""

MAX_FAILURES = 3
"""A localization that raised this often is set aside as failed."""

MAX_ATTEMPTS = 10
"""So is one that was taken this often: it is probably what kills its workers. More than `MAX_FAILURES`, because most
of the time a worker dies of something else."""

FORGET_AT_ONCE = 200

ABANDON_AT_ONCE = 200

SILENT_S = 86_400.0
"""An open incident that nobody spoke of for longer may be forgotten, never one that was spoken of since: Alertmanager
repeats what fires every few hours, and what is forgotten and repeated would be a new incident."""


class LeaseLost(HypocenterError):
    """Somebody else holds the localization by now, or it ended: what this worker does for it no longer counts."""


class Watch(Protocol):
    """Tells that a topic may have changed."""

    async def next(self, timeout_s: float) -> None:
        """Return soon after a change since the last call, at the latest after ``timeout_s``, perhaps without reason."""
        ...


class IncidentStore(Protocol):
    """Keeps incidents, the localizations that they cause (which are the jobs), their steps, changes, verdicts, and the
    deliveries of answers.

    A method that writes returns only once its write would survive the process and the machine. Every method ends
    within a limit of the implementation's own and raises `service.errors.StoreError` if it could not do its work. What
    a tenant asks for is sought among its own only.
    """

    async def accept(self, notification: Notification, now: datetime, kin: Kin = NO_KIN) -> tuple[Receipt, ...]:
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

    async def claim(self, owner: str, lease_s: float, now: datetime, limits: Limits = NO_LIMITS) -> Claim | None:
        """Take the first localization that waits, or whose lease ran out in other hands; its old steps are dropped.

        First is who has the highest priority, then who came first. Those of a tenant that is at its limit are passed
        over. What runs counts for as long as its lease holds.
        """
        ...

    async def renew(self, lease: Lease, lease_s: float, now: datetime) -> None:
        """Hold it for longer. Raises `LeaseLost`, as all that take a lease do."""
        ...

    async def add_steps(self, lease: Lease, steps: Sequence[StoredStep]) -> None:
        """Store steps as they are made."""
        ...

    async def interim(self, lease: Lease, ending: Ending, now: datetime) -> None:
        """Store an answer that may be shown already while the localization runs on; a later one replaces it."""
        ...

    async def finish(self, lease: Lease, ending: Ending, now: datetime, tell: Sequence[str] = ()) -> None:
        """Store the answer: done; and with it, all or nothing, queue its delivery to each target named."""
        ...

    async def drop(self, lease: Lease, reason: str, now: datetime) -> None:
        """End it as dropped, with the reason as its error: an answer would help nobody any more."""
        ...

    async def fail(self, lease: Lease, error: str, now: datetime, retry_at: datetime) -> LocalizationRecord:
        """It raised: queued again from ``retry_at``, or set aside as failed after `MAX_FAILURES`."""
        ...

    async def hand_back(self, lease: Lease, now: datetime) -> None:
        """Queue it again as if it had not been taken: the worker goes, the job is not to blame."""
        ...

    async def claim_delivery(
        self, owner: str, lease_s: float, now: datetime, targets: Collection[str]
    ) -> Delivery | None:
        """Take the first delivery to one of the targets that waits, or whose lease ran out, in whosever hands."""
        ...

    async def delivered(self, delivery: Delivery, now: datetime) -> None:
        """It arrived. Raises `LeaseLost` if somebody else holds it by now, or it was settled."""
        ...

    async def undelivered(self, delivery: Delivery, error: str, now: datetime, retry_at: datetime | None) -> None:
        """It did not arrive: queued again from ``retry_at``, without one a dead letter. Raises `LeaseLost` likewise."""
        ...

    async def deliveries(self, tenant: str, localization_id: str) -> list[DeliveryRecord]:
        """What became of its answer at each target, in the order in which they were named."""
        ...

    async def deliver_again(
        self, tenant: str, localization_id: str, target: str, now: datetime
    ) -> DeliveryRecord | None:
        """Queue it again if it is a dead letter. Returns it as it is then; None if there is no such delivery."""
        ...

    async def abandon_deliveries(
        self, served: Collection[str], due_before: datetime, error: str, now: datetime
    ) -> list[str]:
        """Make dead letters of those to other targets than the ``served`` that nobody took though they could have been
        since then: nobody serves these targets. Returns the target of each, of `ABANDON_AT_ONCE` at most.
        """
        ...

    async def forget(self, now: datetime, keep_s: float, keep_count: int) -> int:
        """Let go of incidents that nobody spoke of for ``keep_s``, or that are resolved and not among the newest
        ``keep_count``, and of changes older than ``keep_s``. What is still open was abandoned by its sender then; it is
        kept for `SILENT_S` at least. What has localizations that have not ended, or answers that are still to be
        delivered, stays.

        Returns how many incidents went: at most `FORGET_AT_ONCE`, so that nobody waits long; while it is that many,
        there may be more.
        """
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
