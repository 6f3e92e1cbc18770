"""From settings to what hypocenter tells of itself."""

import contextlib
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from opentelemetry.trace import Tracer

from service.llm.completions import CompletionsModel
from service.llm.measured import MeasuredModel
from service.llm.openai import OpenAIModel
from service.ports import ChatModel
from service.settings import OwnTelemetrySettings, Settings
from service.stores.backend_metrics import BackendMetrics
from service.telemetry import NAME, Meters, exporting, tracer
from service.wiring.models import title
from service.wiring.tenants import TenantSources


def build_meters(settings: Settings, version: str, sources: TenantSources | None) -> Meters:
    """The metrics of this process."""
    meters = Meters(settings.budget.deadline_s)
    meters.built(version, title(settings.model))
    if sources is not None:
        meters.registry.register(BackendMetrics(sources.backends))
    return meters


def tracing(settings: OwnTelemetrySettings, version: str) -> AbstractContextManager[Tracer]:
    """Makes the spans of this process; if that is set, they are sent to a collector."""
    return contextlib.nullcontext(tracer()) if settings.export == "none" else exporting(settings.endpoint, version)


def told_model(settings: Settings, model: ChatModel, meters: Meters) -> ChatModel:
    """The model, whose calls are told of."""
    address = ""
    match model:
        case CompletionsModel():
            provider, address = "vllm", urlsplit(settings.model.base_url).hostname or ""
        case OpenAIModel():  # whoever speaks its API
            provider, address = "openai", urlsplit(settings.model.base_url).hostname or ""
        case _:
            provider = NAME
    return MeasuredModel(model, provider, meters, address=address, content=settings.own_telemetry.content)
