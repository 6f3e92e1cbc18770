"""Our own small model behind a server that completes token ids: vLLM, which serves the same directory.

A chat API would put the model into another form than it was trained in. So the server is given the ids of the prompt
and is asked for a token only where the grammar leaves a choice, among the ids that the grammar allows: the mask is that
of the embedded engine, to the token, and the moves are the same. What the server computed for a frame it finds again
in its prefix cache.
"""

from collections.abc import Sequence
from pathlib import Path

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.domain.localization import ModelIdentity
from service.errors import ModelError
from service.llm.embedded.chat import prompt_ids, to_reply
from service.llm.embedded.grammar import Grammar
from service.llm.embedded.vocabulary import Vocabulary
from service.llm.embedded.weights import read_shape
from service.llm.server import Endpoint, ModelServer, first_fault
from service.ports import ChatReply, ChatRequest


class CompletionsModel:
    """A `service.ports.ChatModel`. The moves of a round are written at once, each token by token; one that fails costs
    its frame's turn, and only if all fail is the model down (`ModelError`).

    It stands on two things that vLLM adds to the API: ``allowed_token_ids`` and ``return_token_ids``.
    """

    rendering = "aliases"

    def __init__(
        self,
        endpoint: Endpoint,
        vocabulary: Vocabulary,
        context: int,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.identity = ModelIdentity(endpoint.model, endpoint.version, endpoint.sha256)
        self._vocabulary = vocabulary
        self._grammar = Grammar(vocabulary)
        self._context = context
        self._server = ModelServer(endpoint, transport)
        self._served = ""

    @classmethod
    def load(cls, directory: Path, endpoint: Endpoint) -> "CompletionsModel":
        """The model of a directory that is served at ``endpoint``. Raises `SettingsError`, one line, for a directory
        that cannot be read; that it fits is asked first, by `service.agent.models`.
        """
        return cls(endpoint, Vocabulary.load(directory), read_shape(directory).context)

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        """One move for each request, in their order, within ``timeout_s`` in all."""
        async with self._server.connected(timeout_s) as client:
            self._served = self._served or await self._server.model_name(client)
            return await self._server.answers(lambda request: self._move(client, request), requests)

    async def _move(self, client: httpx.AsyncClient, request: ChatRequest) -> ChatReply:
        """One move. As in the embedded engine, a conversation that leaves no room for one is answered with none."""
        prompt = prompt_ids(request.messages, self._vocabulary)
        state, written = self._grammar.start(request.allowed, prompt), list[int]()
        limit = min(request.max_tokens, self._context - len(prompt))
        while not state.done and len(written) < limit:
            allowed = state.allowed().tolist()
            written.append(allowed[0] if len(allowed) == 1 else await self._token(client, prompt + written, allowed))
            state = state.advance(written[-1])
        return to_reply(written, self._vocabulary, prompt_tokens=len(prompt), ended=state.done)

    async def _token(self, client: httpx.AsyncClient, ids: list[int], allowed: list[int]) -> int:
        """The likeliest of the allowed tokens after these ids."""
        body = {
            "model": self._served,
            "prompt": ids,
            "max_tokens": 1,
            "temperature": 0,
            "allowed_token_ids": allowed,
            "return_token_ids": True,
        }
        token = _read(await self._server.fetch(client, "POST", "/v1/completions", body))
        if token not in allowed:
            raise ModelError(
                f"the model server {self._server.host} wrote token {token}, which was not allowed: it has to know "
                "allowed_token_ids, as vLLM does"
            )
        return token


class _Choice(BaseModel):
    model_config = ConfigDict(extra="ignore")
    token_ids: list[int] = Field(min_length=1, max_length=1)


class _Completion(BaseModel):
    model_config = ConfigDict(extra="ignore")
    choices: list[_Choice] = Field(min_length=1, max_length=1)


def _read(content: bytes) -> int:
    """The one token of a server's answer; `ModelError` if it is no such completion."""
    try:
        return _Completion.model_validate_json(content).choices[0].token_ids[0]
    except ValidationError as error:
        raise ModelError(f"the model server's answer is no completion of one token: {first_fault(error)}") from error
