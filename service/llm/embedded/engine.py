"""The small model in this process: no server, no graphics card, no training framework."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
from threadpoolctl import ThreadpoolController  # pyright: ignore[reportMissingTypeStubs]

from service.domain.localization import ModelIdentity
from service.errors import ModelError, SettingsError
from service.llm.embedded.cache import PrefixCache
from service.llm.embedded.chat import prompt_ids, to_reply
from service.llm.embedded.choice import Choice, Greedy
from service.llm.embedded.decoding import Draft, write
from service.llm.embedded.grammar import LONGEST, Grammar
from service.llm.embedded.network import GROWTH, Ids, Network
from service.llm.embedded.vocabulary import Vocabulary
from service.llm.embedded.weights import read_network
from service.llm.manifest import read_manifest
from service.llm.model_files import WEIGHTS
from service.ports import ChatReply, ChatRequest

MEMORY_BYTES: Final = 160_000_000
"""Keys and values of conversations, those being answered included: some 13,000 tokens of the planned size, which is
two incidents with 16 frames of 400 tokens each.
"""


Check = Callable[[], None]


class EmbeddedModel:
    """A `service.ports.ChatModel` over a network. All requests of a call are answered in one batch; what a frame was
    shown before is not computed again. It writes nothing but moves that the grammar allows.

    ``choose`` may be set between calls, and weights swapped (`Network.load_weights`). ``memory_bytes`` bounds keys and
    values: a call that needs more is answered in several batches, each within it unless it is a single request.
    A conversation that leaves no room in the context for a move is answered with none, which is malformed.
    """

    rendering = "aliases"

    def __init__(
        self,
        network: Network,
        vocabulary: Vocabulary,
        identity: ModelIdentity,
        choose: Choice | None = None,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self.network = network
        self.vocabulary = vocabulary
        self.identity = identity
        self.choose: Choice = choose or Greedy()
        self._grammar = Grammar(vocabulary)
        self._memory_bytes = memory_bytes
        self._cache = PrefixCache(vocabulary.assistant, memory_bytes)
        self._generation = network.generation
        # One thread: what computes has the whole processor, and the next call waits for its turn outside.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedded-model")
        # Its products are small: threads of the linear algebra would gain little, and where a core is taken by others
        # (or by a container's quota) they wait for each other eight times as long as one alone computes.
        self._libraries = ThreadpoolController()

    @classmethod
    def load(cls, directory: Path, choose: Choice | None = None) -> "EmbeddedModel":
        """The model of a directory. Raises `SettingsError`, one line, for one that cannot be read, whose parts do not
        fit each other, or that is put in other words than aliases. Whether it is undamaged and made for this service's
        prompt and tools is asked first, by `service.agent.models`.
        """
        manifest = read_manifest(directory)
        if manifest.rendering != cls.rendering:
            raise SettingsError(f"{directory}: is put in {manifest.rendering}; the embedded engine reads aliases")
        network = read_network(directory)
        vocabulary = Vocabulary.load(directory)
        if vocabulary.size != network.shape.vocabulary:
            raise SettingsError(
                f"{directory}: the vocabulary has {vocabulary.size} words, {WEIGHTS} knows {network.shape.vocabulary}"
            )
        return cls(network, vocabulary, manifest.identity, choose)

    @property
    def memory_held(self) -> int:
        """Bytes of keys and values that are kept between calls."""
        return self._cache.bytes

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        """One move for each request, in their order. Raises `ModelError` after ``timeout_s``; the computation ends
        soon after it, or after a cancellation.
        """
        given_up = threading.Event()
        deadline = time.monotonic() + timeout_s

        def check() -> None:
            if given_up.is_set() or time.monotonic() >= deadline:
                raise ModelError(f"the embedded model did not answer within {timeout_s:.1f} s")

        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.wrap_future(self._thread.submit(lambda: list(self._replies(requests, check))))
        except TimeoutError:
            raise ModelError(f"the embedded model did not answer within {timeout_s:.1f} s") from None
        finally:
            given_up.set()

    def _replies(self, requests: Sequence[ChatRequest], check: Check) -> Iterator[ChatReply]:
        if self._generation != self.network.generation:
            self._cache.forget()
            self._generation = self.network.generation
        asked = [(request, self._prompt(request)) for request in requests]
        for batch in self._batches(asked):
            drafts = [self._draft(request, prompt) for request, prompt in batch]
            self._cache.shrink(self._memory_bytes - sum(self._room(draft.prompt) for draft in drafts))
            with self._libraries.limit(limits=1, user_api="blas"):  # pyright: ignore[reportUnknownMemberType]
                write(self.network, drafts, check)
            for draft in drafts:
                self._cache.put(draft.prompt, draft.ids(), draft.past)
                yield to_reply(draft.written, self.vocabulary, prompt_tokens=len(draft.prompt), ended=draft.state.done)

    def _prompt(self, request: ChatRequest) -> Ids:
        return np.array(prompt_ids(request.messages, self.vocabulary), np.int32)

    def _draft(self, request: ChatRequest, prompt: Ids) -> Draft:
        return Draft(
            prompt=prompt,
            past=self._cache.take(prompt) or self.network.past(len(prompt) + GROWTH),
            state=self._grammar.start(request.allowed, prompt),
            pick=self.choose.begin(prompt),
            limit=min(request.max_tokens, self.network.shape.context - len(prompt)),
        )

    def _batches(self, asked: Sequence[tuple[ChatRequest, Ids]]) -> Iterator[list[tuple[ChatRequest, Ids]]]:
        """In order, as many at once as memory allows."""
        batch, held = list[tuple[ChatRequest, Ids]](), 0
        for request, prompt in asked:
            needed = self._room(prompt)
            if batch and held + needed > self._memory_bytes:
                yield batch
                batch, held = [], 0
            batch.append((request, prompt))
            held += needed
        if batch:
            yield batch

    def _room(self, prompt: Ids) -> int:
        """Bytes of keys and values of a prompt and the longest move that may answer it."""
        return (len(prompt) + LONGEST + GROWTH) * self.network.shape.token_bytes
