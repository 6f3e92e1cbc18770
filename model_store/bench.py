"""How long a localization takes, and how much memory: evidence, rank and, if there is one, a model."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from model_store.evaluate.results import quantile
from model_store.evaluate.run import open_case
from model_store.memory import peak_rss_mb
from service.agent.localize import localize
from service.domain.localization import Usage
from service.ports import ChatModel
from service.rank.fusion import Fusion


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of each case, ascending, from the first question to a store until the ranked causes; what the model did
    in each; and the most memory that this process ever held, in MiB.
    """

    seconds: tuple[float, ...]
    usage: tuple[Usage, ...]
    peak_mb: float

    def line(self) -> str:
        """The figures in one line; those of the model are means."""
        p50, p95 = quantile(self.seconds, 0.5), quantile(self.seconds, 0.95)
        told = f"{len(self.seconds)} cases: p50 {p50:.3f} s, p95 {p95:.3f} s, peak memory {self.peak_mb:.0f} MiB"
        if not any(used.frames for used in self.usage):
            return told
        frames, moves, read, written = (
            sum(column) / len(self.usage)
            for column in zip(
                *((u.frames, u.turns, u.prompt_tokens, u.completion_tokens) for u in self.usage), strict=True
            )
        )
        return f"{told}; {frames:.1f} frames, {moves:.1f} moves, {read:.0f} tokens read, {written:.0f} written"


def measure(directories: Iterable[Path], model: ChatModel | None = None, fusion: Fusion | None = None) -> Cost:
    """Localize each case, one after the other, in this process; without a model by the statistical rank."""
    costs = [asyncio.run(_cost(directory, model, fusion or Fusion())) for directory in directories]
    return Cost(tuple(sorted(seconds for seconds, _ in costs)), tuple(used for _, used in costs), peak_rss_mb())


async def _cost(directory: Path, model: ChatModel | None, fusion: Fusion) -> tuple[float, Usage]:
    opened = await open_case(directory)
    localization = (await localize(opened.view, model, fusion=fusion)).localization
    return opened.seconds + localization.seconds, localization.usage
