import asyncio
from collections.abc import Sequence

import pytest

pytest.importorskip("torch", reason="training needs torch, which make test installs")

import torch

from model_store.train.grpo import Episode
from model_store.train.incidents import PooledIncident
from model_store.train.network import Llama, Shape
from model_store.train.order import places
from model_store.train.player import Player
from model_store.train.rewards import Exploration, Pay
from model_store.train.rollouts import RolloutPlan, Rollouts
from model_store.train.table import Game, play_together
from service.agent.localize import Outcome, localize
from service.agent.transcript_json import to_dict
from service.domain.localization import RankedBy
from service.grader.reward import RewardWeights
from service.grader.truth import Truth
from service.llm.embedded.choice import Sampling
from service.llm.rules import RulesModel
from service.ports import ChatModel, ChatReply, ChatRequest
from tests.train.playing import play, view_of, words

PAY = Pay({"rank": 1.0, "format": 0.1}, RewardWeights(), Exploration(), 0.3)


class Counting(RulesModel):
    """The rules, and how many moves each call asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        """What the rules reply."""
        self.asked.append(len(requests))
        return await super().reply(requests, timeout_s)


def incident(seed: int) -> PooledIncident:
    return PooledIncident(f"i{seed}", "train", view_of(seed), Truth(()))


def network(seed: int = 3) -> Llama:
    shape = Shape(words().size, hidden=64, layers=1, heads=1, intermediate=64)
    return Llama(shape).initialize(torch.Generator().manual_seed(seed))


def written(groups: list[list[Episode]]) -> list[list[int]]:
    return [frame.ids.tolist() for group in groups for episode in group for frame in episode.frames]


def test_what_is_played_together_is_what_was_played_alone() -> None:
    views = [view_of(seed) for seed in (1, 2, 3)]
    model = Counting()

    def game(number: int) -> Game[Outcome]:
        async def one(seat: ChatModel) -> Outcome:
            return await localize(views[number], seat, rank=RankedBy.MODEL)

        return one

    together = asyncio.run(play_together(model, [game(n) for n in range(3)]))
    alone = [play(view)[0] for view in views]
    assert [to_dict(o.transcript) for o in together] == [to_dict(o.transcript) for o in alone]
    assert model.asked[0] == 3


def test_what_a_game_raises_comes_out() -> None:
    async def broken(seat: ChatModel) -> None:
        raise LookupError("no such view")

    view = view_of(1)

    async def patient(seat: ChatModel) -> None:
        await localize(view, seat, rank=RankedBy.MODEL)

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(play_together(RulesModel(), [broken, patient]))
    assert isinstance(raised.value.exceptions[0], LookupError)


def test_a_network_plays_many_incidents_as_it_plays_each() -> None:
    player = Player(network(), words())
    seats = [incident(1), incident(2), incident(3)]
    together = asyncio.run(player.play(seats))
    alone = [asyncio.run(player.play([one]))[0] for one in seats]
    assert [to_dict(o.transcript) for o in together] == [to_dict(o.transcript) for o in alone]


def test_episodes_of_one_incident_differ_by_chance_alone() -> None:
    player = Player(network(), words())
    as_alone = 0
    for seed in range(7, 12):
        first, second = asyncio.run(player.play([incident(1), incident(1)], Sampling(1.0, seed)))
        assert to_dict(first.transcript) != to_dict(second.transcript)
        alone = asyncio.run(player.play([incident(1)], Sampling(1.0, seed)))[0]
        as_alone += to_dict(first.transcript) == to_dict(alone.transcript)
    assert as_alone >= 3, (
        "the second may come to a frame of the same words first, and takes its chance; mostly it does not"
    )


def test_a_step_plays_groups_whose_frames_can_be_learned() -> None:
    rollouts = Rollouts(Player(network(), words()), [incident(1), incident(2)], RolloutPlan(2, 3, 1.0, 5), PAY, words())
    groups = rollouts(0)
    assert [len(group) for group in groups] == [3, 3]
    for episode in (e for group in groups for e in group):
        assert len(episode.frames) == len(episode.about) == len(episode.graded.verdicts)
        assert all(frame.own.any() for frame in episode.frames)
        assert episode.figures["malformed"] == 0
    again = rollouts(0)
    assert [[e.graded.total for e in g] for g in again] == [[e.graded.total for e in g] for g in groups]
    assert written(again) == written(groups) != written(rollouts(1))


def test_every_pass_over_a_pool_takes_each_incident_once_in_an_order_of_its_own() -> None:
    passes = [places(7, 7 * turn, 7, seed=1) for turn in range(3)]
    assert all(sorted(one) == list(range(7)) for one in passes)
    assert len({tuple(one) for one in passes}) == 3
    assert places(7, 5, 6, seed=1) == (passes[0] + passes[1])[5:11]
