from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Compared:
    """One signal's rows now and in its baseline; ``before`` is None where no baseline is known (an empty table says
    that there is one and nothing was seen in it). No row is in both.
    """

    now: pa.Table
    before: pa.Table | None = None

    @property
    def together(self) -> pa.Table:
        """All rows, those of now first."""
        return self.now if self.before is None else pa.concat_tables([self.now, self.before])


@dataclass(frozen=True, slots=True)
class Tables:
    """All telemetry of one incident, schemas as in `service.ports`; None where a signal has no source at all.

    ``changes`` and ``topology`` are not compared: changes are events, and they reach back before the window.
    """

    alerted_at: datetime
    spans: Compared | None = None
    logs: Compared | None = None
    metrics: Compared | None = None
    changes: pa.Table | None = None
    topology: pa.Table | None = None
    alerting: tuple[str, ...] = field(default=())
