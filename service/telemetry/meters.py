"""All metrics of the service, in one place; names and units by Prometheus' conventions, those of models by
OpenTelemetry's for GenAI. Labels hold only what is of a short list: never an id, a path or what a stranger wrote.
"""

import platform

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest

HTTP_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
STORE_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
ANSWER_BUCKETS_S = (0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 30, 60, 120, 300)
MODEL_BUCKETS_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKEN_BUCKETS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144)
"""GenAI's own, up to what is longer than any prompt of ours."""

GEN_AI = ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"]


class Meters:
    """The metrics of one service, in a registry of its own. Answers are timed up to ``deadline_s``, beyond which there
    should be none.
    """

    def __init__(self, deadline_s: float = 60.0) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._http()
        self._ingest()
        self._queue()
        self._localizations(deadline_s)
        self._deliveries()
        self._model()
        self._store()

    def exposition(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)

    def built(self, version: str, model: str) -> None:
        """Tell which hypocenter runs, and with which model."""
        build = Info("hypocenter_build", "What runs", registry=self.registry)
        build.info({"version": version, "model": model, "python": platform.python_version()})

    def _http(self) -> None:
        self.requests = self._counter("http_requests", "HTTP requests answered", "method", "route", "status")
        for status in ("202", "500", "503"):  # a share of failures can be told from the first one on
            self.requests.labels("POST", "/v1/alerts", status)
        self.request_seconds = self._histogram(
            "http_request_duration_seconds", "Time until a response began", HTTP_BUCKETS_S, "method", "route"
        )

    def _ingest(self) -> None:
        self.alerts = self._counter("alerts", "Alerts acknowledged", "status")
        self.notified = self._counter(
            "incident_notifications",
            "Incidents that notifications spoke of: what became of each (localized, or joined what is known)",
            "outcome",
        )
        self.telemetry_rows = self._counter("telemetry_rows", "Rows of telemetry taken into the embedded store", "kind")
        self.telemetry_rejected = self._counter(
            "telemetry_rejected", "Records of telemetry that the embedded store did not take", "kind"
        )

    def _queue(self) -> None:
        self.jobs = self._gauge("jobs", "Localizations in the store by status", "status")
        self.oldest_s = self._gauge("queue_age_seconds", "How long the oldest queued localization has waited")
        self.queue_seconds = self._histogram(
            "queue_wait_seconds", "Time from queueing a localization to taking it", ANSWER_BUCKETS_S
        )
        self.ready = self._gauge("ready", "Whether each part is ready, as /readyz says", "check")

    def _localizations(self, deadline_s: float) -> None:
        self.ended = self._counter("localizations", "Localizations ended", "status", "stop", "ranked_by")
        for status in ("failed", "dropped"):
            self.ended.labels(status, "", "")
        within = tuple(bucket for bucket in ANSWER_BUCKETS_S if bucket < deadline_s)
        self.seconds = self._histogram(
            "localization_duration_seconds", "Time from taking a localization to its answer", (*within, deadline_s)
        )
        self.deadline_s = self._gauge("localization_deadline_seconds", "How long an answer may take")
        self.deadline_s.set(deadline_s)
        self.failures = self._counter("localization_failures", "Attempts at a localization that raised")
        self.steps = self._counter("localization_steps", "Moves that models made")

    def _deliveries(self) -> None:
        self.deliveries = self._counter(
            "deliveries",
            "Attempts to deliver an answer: what became of each (delivered, kept_up, failed, or dead: given up)",
            "target",
            "outcome",
        )

    def _model(self) -> None:
        self.model_seconds = Histogram(
            "gen_ai_client_operation_duration_seconds",
            "Time that one call of the model took, for all conversations of its round",
            [*GEN_AI, "error_type"],
            buckets=MODEL_BUCKETS_S,
            registry=self.registry,
        )
        self.tokens = Histogram(
            "gen_ai_client_token_usage",
            "Tokens of one move: what the model was shown, what it wrote",
            [*GEN_AI, "gen_ai_token_type"],
            buckets=TOKEN_BUCKETS,
            registry=self.registry,
        )
        self.model_rounds = self._counter(
            "model_rounds",
            "Rounds asked of the model: what became of each (answered, garbage, failed, or refused: left alone)",
            "outcome",
        )
        self.model_breaker = self._gauge("model_breaker", "1 for the state that the model's breaker is in", "state")
        self.model_latency_s = self._gauge("model_round_latency_seconds", "Time that a round takes the model, smoothed")
        self.model_seats = self._gauge("model_seats", "Localizations with the model, and waiting for it", "state")
        self.interim = self._counter("interim_answers", "Statistical answers shown while the model's was waited for")

    def _store(self) -> None:
        self.store_seconds = self._histogram(
            "store_operation_duration_seconds", "Time that the incident store took", STORE_BUCKETS_S, "operation"
        )
        self.store_losses = self._counter(
            "store_losses", "Times that the incident store's server turned out to lack what was written to it"
        )
        self.store_failures = self._counter(
            "store_failures", "Operations that the incident store could not do", "operation"
        )

    def _counter(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(f"hypocenter_{name}", told, labels, registry=self.registry)

    def _gauge(self, name: str, told: str, *labels: str) -> Gauge:
        return Gauge(f"hypocenter_{name}", told, labels, registry=self.registry)

    def _histogram(self, name: str, told: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"hypocenter_{name}", told, labels, buckets=buckets, registry=self.registry)
