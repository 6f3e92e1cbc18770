"""How long evidence and rank take, and how much memory: what an incident costs without a model."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from model_store.evaluate.results import quantile
from model_store.evaluate.run import open_case
from model_store.memory import peak_rss_mb
from service.agent.localize import localize
from service.domain.localization import RankedBy


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of each case, ascending, from the first question to a store until the ranked causes; and the most
    memory that this process ever held, in MiB.
    """

    seconds: tuple[float, ...]
    peak_mb: float

    def line(self) -> str:
        """The figures in one line."""
        p50, p95 = quantile(self.seconds, 0.5), quantile(self.seconds, 0.95)
        return f"{len(self.seconds)} cases: p50 {p50:.3f} s, p95 {p95:.3f} s, peak memory {self.peak_mb:.0f} MiB"


def measure(directories: Iterable[Path]) -> Cost:
    """Localize each case by the statistical rank, one after the other, in this process."""
    return Cost(tuple(sorted(asyncio.run(_seconds(directory)) for directory in directories)), peak_rss_mb())


async def _seconds(directory: Path) -> float:
    opened = await open_case(directory)
    outcome = await localize(opened.view, None, rank=RankedBy.STATISTICAL)
    return opened.seconds + outcome.localization.seconds
