"""What is asked of ClickHouse, in expressions over the columns of the OpenTelemetry exporter's tables."""

from service.stores.callees import ATTRIBUTES
from service.stores.embedded.logs import BODY_LENGTH
from service.stores.embedded.origin import UNKNOWN
from service.stores.log_fields import LOUD_LEVEL, LOUD_TEXT
from service.stores.log_sample import Stretch
from service.telemetry import NAME


def _text(told: str) -> str:
    """A literal."""
    return "'" + told.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _resource(key: str) -> str:
    return f"arrayElement(ResourceAttributes, {_text(key)})"


OURS = f"ServiceName != {_text(NAME)}"
"""hypocenter's own telemetry is left out."""

_BY_WORD = f"match(SeverityText, {_text(f'^({LOUD_LEVEL})$')})"
_BY_TEXT = f"(SeverityText = '' AND match(Body, {_text(LOUD_TEXT)}))"
LOUD = f"(SeverityNumber >= 13 OR (SeverityNumber = 0 AND ({_BY_WORD} OR {_BY_TEXT})))"
"""A record that tells of trouble; 13 is OpenTelemetry's WARN."""

_SEVERITIES = ((20, "FATAL"), (16, "ERROR"), (12, "WARN"), (8, "INFO"), (4, "DEBUG"), (0, "TRACE"))
_SEVERITY = " ".join(f"WHEN SeverityNumber > {above} THEN '{name}'" for above, name in _SEVERITIES)

_HOST, _POD = _resource("host.name"), _resource("k8s.pod.name")
_CONTAINED = f"({_resource('container.id')} != '' OR {_POD} != '')"
_INSTANCE = _resource("service.instance.id")
_SERVICE_OF = f"CASE WHEN ServiceName = '' THEN '{UNKNOWN}' ELSE ServiceName END AS service"
_POD_OF = (
    f"CASE WHEN {_POD} != '' THEN {_POD} WHEN {_INSTANCE} != '' THEN {_INSTANCE} "
    f"WHEN {_CONTAINED} THEN {_HOST} ELSE '' END AS pod"
)
_NODE = _resource("k8s.node.name")
_NODE_OF = f"CASE WHEN {_NODE} != '' THEN {_NODE} WHEN {_CONTAINED} THEN '' ELSE {_HOST} END AS node"
"""As `service.stores.embedded.origin` has it: the host of a container is no machine."""

LOG_COLUMNS = ", ".join(
    (
        "toUnixTimestamp64Micro(Timestamp) AS time",
        _SERVICE_OF,
        _POD_OF,
        _NODE_OF,
        f"CASE {_SEVERITY} ELSE upper(SeverityText) END AS severity",
        f"substringUTF8(toValidUTF8(Body), 1, {BODY_LENGTH}) AS body",
        "TraceId AS trace_id",
        "SpanId AS span_id",
    )
)
_KIND = "lower(replace(SpanKind, 'SPAN_KIND_', ''))"
_KINDS = "'server', 'client', 'internal', 'producer', 'consumer'"
_STATUS = "lower(replace(StatusCode, 'STATUS_CODE_', ''))"
SPAN_COLUMNS = ", ".join(
    (
        "TraceId AS trace_id",
        "SpanId AS span_id",
        "ParentSpanId AS parent_span_id",
        _SERVICE_OF,
        _POD_OF,
        _NODE_OF,
        "toValidUTF8(SpanName) AS operation",
        f"CASE WHEN {_KIND} IN ({_KINDS}) THEN {_KIND} ELSE '' END AS kind",
        "toUnixTimestamp64Micro(Timestamp) AS start",
        "toInt64(intDiv(Duration, 1000)) AS duration_us",
        f"CASE WHEN {_STATUS} IN ('ok', 'error') THEN {_STATUS} ELSE 'unset' END AS status",
        f"mapFilter((k, v) -> k IN ({', '.join(map(_text, ATTRIBUTES))}), SpanAttributes) AS attributes",
        'arrayElement("Links.TraceId", 1) AS linked_trace_id',
        'arrayElement("Links.SpanId", 1) AS linked_span_id',
    )
)
"""Names of kinds and statuses were longer in the exporter's older versions."""


def moments(stretch: Stretch, *, coarse: bool) -> str:
    """Rows of that time. Where there is a time in whole seconds too (``coarse``), the table is sorted by that."""
    start_ns, end_ns = stretch.start_us * 1000, stretch.end_us * 1000 + 999
    inside = f"Timestamp >= fromUnixTimestamp64Nano({start_ns}) AND Timestamp <= fromUnixTimestamp64Nano({end_ns})"
    if not coarse:
        return inside
    start_s, end_s = stretch.start_us // 1_000_000, stretch.end_us // 1_000_000
    return f"{inside} AND TimestampTime >= toDateTime({start_s}) AND TimestampTime <= toDateTime({end_s})"


def select(columns: str, table: str, where: str) -> str:
    """A query. What it is put together from are the expressions above, whole numbers, and names that were checked."""
    return f"SELECT {columns} FROM {table} WHERE {where}"  # noqa: S608
