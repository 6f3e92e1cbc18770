"""Who is told the answers, and keeps a log of them."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests import webhook_receiver


@dataclass(slots=True)
class Told:
    """Of each localization the different answers that were seen, each with the id under which it came."""

    url: str = ""
    answers: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))

    def take(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Keep an answer."""
        answer = json.loads(body)["data"]["localization"]
        digest = hashlib.sha256(json.dumps(answer, sort_keys=True).encode()).hexdigest()
        self.answers[answer["id"]].add((headers["webhook-id"], digest))


@contextmanager
def receiving() -> Generator[Told]:
    """Take webhooks on a free port of this machine."""
    told = Told()
    with webhook_receiver.receiving(told.take) as told.url:
        yield told
