import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.domain.window import rfc3339
from service.notify.hook import JSON, Hook
from service.notify.news import Describing, News
from service.notify.signature import key_in, signed_headers

TYPE = "localization.done"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Whoever takes a signed webhook: the answer's document and the incident's, as they are read from us.

    Every attempt has the same ``webhook-id``, by which a receiver knows what it has already. ``secret_files`` are read
    for every one.
    """

    hook: Hook
    secret_files: Sequence[Path]
    describe: Describing

    async def send(self, news: News) -> None:
        """Post it. Raises `BackendError`."""
        content = json.dumps(self.body(news)).encode()
        keys = [key_in(file) for file in self.secret_files]
        await self.hook.post(content, {**JSON, **signed_headers(news.id, news.now, content, keys)})

    def body(self, news: News) -> dict[str, object]:
        """What is posted; ``timestamp`` is when it was answered."""
        localization: object = json.loads(news.localization.result)
        data = {"localization": localization, "incident": self.describe(news.incident), "link": news.link}
        return {"schema_version": "1", "type": TYPE, "timestamp": rfc3339(news.answered_at), "data": data}

    async def found(self) -> str:
        """Whether connections are taken there. Raises `BackendError`."""
        return await self.hook.found()
