"""From settings to what holds in a storm: how alerts are grouped, who may ask the model, what is too late."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from service.breaker import Breaker
from service.consultation import Consultation
from service.domain.subject import Trusted
from service.jobs.call_paths import CallPaths
from service.jobs.lateness import Lateness
from service.jobs.no_incidents import NoIncidents
from service.jobs.priority import Severities, Severity
from service.jobs.records import Limits
from service.llm.admission import Admission
from service.llm.allowance import Allowance
from service.llm.guarded import GuardedModel
from service.ports import ChatModel, Telemetry
from service.settings import GroupingSettings, LabelSettings, ModelSettings, Settings, WorkerSettings
from service.telemetry import Meters
from service.wiring.tenants import TenantSources
from service.worker import Pace


def build_consultation(settings: ModelSettings, model: ChatModel | None, meters: Meters) -> Consultation | None:
    """What decides whether the model is asked; None where there is none."""
    if model is None:
        return None
    guarded = GuardedModel(model, meters, Breaker(settings.failures, settings.rest_s))
    admission = Admission(
        lambda: guarded.latency_s, meters, settings.at_once, waiting=settings.waiting, slow_s=settings.slow_s
    )
    return Consultation(guarded, admission, Allowance(settings.tokens_per_hour), settings.interim_s, meters)


def build_pace(settings: Settings) -> Pace:
    """How the worker works. Of a recorded case nothing is too old."""
    said = settings.worker
    kept = None if settings.case is not None else timedelta(seconds=said.telemetry_s)
    return Pace(
        said.at_once,
        said.lease_s,
        said.drain_s,
        limits=limits_of(said),
        lateness=Lateness(timedelta(seconds=said.late_s), kept),
    )


def limits_of(settings: WorkerSettings) -> Limits:
    """How many localizations run at the same time, whoever works on them."""
    return Limits(settings.at_once_in_all, settings.at_once_of_tenant)


def severities_of(settings: GroupingSettings) -> Severities:
    """How alerts say how severe they are."""
    words = {word.lower(): Severity[name.upper()] for word, name in settings.severities.items()}
    return Severities(settings.severity_label, words)


def trusted_of(settings: LabelSettings) -> Trusted:
    """Which labels say first whom an alert is about: the same as of a series or a record."""
    return Trusted(settings.service, settings.pod, settings.node)


def no_incidents_of(settings: GroupingSettings) -> NoIncidents:
    """Which alerts are not localized."""
    return NoIncidents(settings.no_incidents)


def build_call_paths(settings: GroupingSettings, sources: TenantSources | None) -> CallPaths:
    """Which services lie on one call path, by each tenant's own telemetry."""

    @asynccontextmanager
    async def telemetry_of(tenant: str) -> AsyncGenerator[Telemetry]:
        if sources is None:
            yield Telemetry()
            return
        async with sources.lent(tenant) as source:
            yield source.telemetry

    return CallPaths(telemetry_of, timedelta(seconds=settings.join_s))
