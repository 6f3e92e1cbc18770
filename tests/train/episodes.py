# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# The types of torch and tokenizers are partly unknown.
"""Episodes that nobody played: chance wrote them and paid for them, the same for the same step and weights."""

import torch

from model_store.train.grpo import Episode, GrpoPlan
from model_store.train.network import Llama
from model_store.train.rewards import Graded
from tests.train import tiny

PLAN = GrpoPlan(
    steps=6,
    updates=2,
    micro_tokens=60,
    temperature=0.8,
    clip_low=0.2,
    clip_high=0.3,
    divergence=0.05,
    entropy=0.001,
    by_deviation=True,
    child=0.5,
    least=0.0,
    lessons=0.1,
)


def episode(seed: int, total: float, verdicts: tuple[float | None, ...] = (None, 1.0)) -> Episode:
    frames = tuple(tiny.frame(seed * 10 + n, number=n) for n in range(len(verdicts)))
    graded = Graded({"rank": total}, total, verdicts)
    return Episode(frames, tuple(f"c{n}" for n in range(len(verdicts))), graded, {"turns": 3.0})


class Players:
    """Plays two groups of three a step; what is paid depends on the network, as it would."""

    def __init__(self, network: Llama) -> None:
        self.network = network

    def __call__(self, step: int) -> list[list[Episode]]:
        drift = float(self.network.model.norm.weight.detach().sum()) % 1
        rng = torch.Generator().manual_seed(step)
        paid = torch.rand(2, 3, generator=rng).tolist()
        return [[episode(step * 6 + g * 3 + i, paid[g][i] + drift * i) for i in range(3)] for g in range(2)]
