"""The network in training as the service plays it: its own engine, with the weights of the moment."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model_store.train.incidents import PooledIncident
from model_store.train.network import HEAD_SIZE, Llama
from model_store.train.network import Shape as Trained
from model_store.train.table import PATIENCE_S, Game, play_together
from service.agent.budget import Budget
from service.agent.localize import Outcome, localize
from service.domain.localization import ModelIdentity, RankedBy
from service.llm.embedded.choice import Choice, Greedy
from service.llm.embedded.engine import EmbeddedModel
from service.llm.embedded.network import Network, Shape
from service.llm.embedded.vocabulary import Vocabulary
from service.ports import ChatModel

MEMORY_BYTES = 1_500_000_000
"""Keys and values of all that is played at once: training has more memory to spend than a service."""

BUDGET = replace(Budget(), reply_timeout_s=PATIENCE_S)
"""The service's, but that training waits for the others at the table."""


class Player:
    """Plays incidents with a network that changes in between."""

    def __init__(self, network: Llama, vocabulary: Vocabulary) -> None:
        engine = Network(_served(network.shape), weights_of(network))
        identity = ModelIdentity("in training", "")
        self._network = network
        self._model = EmbeddedModel(engine, vocabulary, identity, memory_bytes=MEMORY_BYTES)

    async def play(self, incidents: list[PooledIncident], choose: Choice | None = None) -> list[Outcome]:
        """Localize all of them at once with the network as it is now, the model's ranking alone; greedily unless told
        how to choose. An incident may stand there several times.
        """
        self._model.network.load_weights(weights_of(self._network))
        self._model.choose = choose or Greedy()
        return await play_together(self._model, [_game(incident) for incident in incidents])


def weights_of(network: Llama) -> dict[str, NDArray[np.float32]]:
    """A copy of the weights by their names in Hugging Face's layout."""
    return {name: np.array(weight.detach().numpy()) for name, weight in network.state_dict().items()}


def _served(shape: Trained) -> Shape:
    return Shape(
        shape.vocabulary, shape.hidden, shape.layers, shape.heads, shape.intermediate, shape.context, HEAD_SIZE
    )


def _game(incident: PooledIncident) -> Game[Outcome]:
    async def play(model: ChatModel) -> Outcome:
        return await localize(incident.view, model, BUDGET, rank=RankedBy.MODEL)

    return play
