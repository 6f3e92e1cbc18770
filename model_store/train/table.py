"""Many localizations at once over one model: what all of them ask in a round goes out as one call.

Nobody is answered before everybody waits, and requests stand in the order of the players: the same players ask the
same calls, whatever the machine's load.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from service.domain.localization import ModelIdentity
from service.ports import ChatModel, ChatReply, ChatRequest

PATIENCE_S = 86_400.0
"""How long one call of the model may take: training waits for it, however busy the machine is."""

T = TypeVar("T")

Game = Callable[[ChatModel], Awaitable[T]]
"""Something that is played with a model, such as a localization."""


async def play_together(model: ChatModel, games: Sequence[Game[T]]) -> list[T]:
    """Play all games at once; what came of each, in their order."""
    table = _Table(model, len(games))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(table.seat(number, game)) for number, game in enumerate(games)]
        await table.serve()
    return [task.result() for task in tasks]


class _Table:
    def __init__(self, model: ChatModel, players: int) -> None:
        self.model = model
        self._playing = players
        self._asked: dict[int, tuple[Sequence[ChatRequest], asyncio.Future[list[ChatReply]]]] = {}
        self._all_wait = asyncio.Event()

    async def seat(self, number: int, game: Game[T]) -> T:
        """Play one of the games."""
        try:
            return await game(_Seat(self, number))
        finally:
            self._playing -= 1
            self._look()

    async def ask(self, number: int, requests: Sequence[ChatRequest]) -> list[ChatReply]:
        """What a player is answered once everybody waits."""
        answer: asyncio.Future[list[ChatReply]] = asyncio.get_running_loop().create_future()
        self._asked[number] = (requests, answer)
        self._look()
        return await answer

    async def serve(self) -> None:
        """Answer until nobody plays any more."""
        while self._playing:
            await self._all_wait.wait()
            self._all_wait.clear()
            asked = [self._asked[number] for number in sorted(self._asked)]
            self._asked.clear()
            if not asked:
                continue
            replies = iter(await self.model.reply([r for requests, _ in asked for r in requests], PATIENCE_S))
            for requests, answer in asked:
                answer.set_result([next(replies) for _ in requests])

    def _look(self) -> None:
        if len(self._asked) == self._playing:
            self._all_wait.set()


class _Seat:
    """The model as one player sees it."""

    def __init__(self, table: _Table, number: int) -> None:
        self._table = table
        self._number = number

    @property
    def identity(self) -> ModelIdentity:
        """That of the model."""
        return self._table.model.identity

    @property
    def rendering(self) -> str:
        """That of the model."""
        return self._table.model.rendering

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        """One move for each request; the table waits for everybody, and no longer than it has patience."""
        return await self._table.ask(self._number, requests)
