"""Who tells: an Alertmanager in little, with its own log of what was acknowledged."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import httpx

from tests.drills.storm import Pair, Webhook
from tests.waiting import LIMIT_S, wait_until


@dataclass(slots=True)
class Log:
    """What was acknowledged: the alerts, and the localizations that were said to be queued for them."""

    alerts: set[Pair] = field(default_factory=set[Pair])
    queued: list[str] = field(default_factory=list[str])
    webhooks: int = 0
    again: int = 0
    troubles: list[str] = field(default_factory=list[str])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledged(self, webhook: Webhook, answer: httpx.Response) -> None:
        """Note it, with what was promised."""
        with self._lock:
            self.webhooks += 1
            self.alerts |= webhook.pairs
            incidents = answer.json()["incidents"]
            self.queued += [told["localization_id"] for told in incidents if told["queued"]]

    def refused(self) -> None:
        """It has to be sent again."""
        with self._lock:
            self.again += 1


class Senders:
    """Sends a storm over several connections to several gateways, each webhook until somebody acknowledges it."""

    def __init__(self, webhooks: Sequence[Webhook], urls: Sequence[str], log: Log, at_once: int = 6) -> None:
        self._log = log
        shares = [[w for w in webhooks if w.group % at_once == k] for k in range(at_once)]
        self._threads = [threading.Thread(target=self._send, args=(share, urls, k)) for k, share in enumerate(shares)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def hurry(self) -> None:
        """Begin and wait until all is acknowledged."""
        self.start()
        self.finish()

    @property
    def sending(self) -> bool:
        """Whether anything is still on its way."""
        return any(thread.is_alive() for thread in self._threads)

    def finish(self) -> None:
        """Wait until all is acknowledged, or was given up."""
        for thread in self._threads:
            thread.join(2 * LIMIT_S)
        assert not self.sending
        assert self._log.troubles == []

    def _send(self, share: Sequence[Webhook], urls: Sequence[str], first: int) -> None:
        places = deque(urls)
        places.rotate(-first)
        with httpx.Client(timeout=LIMIT_S) as client:
            for webhook in share:
                try:
                    wait_until(partial(self._is_acknowledged, client, places, webhook))
                except AssertionError:  # in a thread nobody would hear of it
                    self._log.troubles.append(f"nobody at {urls} acknowledged a webhook")
                    return

    def _is_acknowledged(self, client: httpx.Client, places: deque[str], webhook: Webhook) -> bool:
        answer = self._told(client, places[0], webhook)
        if answer is None:
            self._log.refused()
            places.rotate(-1)
            return False
        self._log.acknowledged(webhook, answer)
        return True

    def _told(self, client: httpx.Client, place: str, webhook: Webhook) -> httpx.Response | None:
        """The acknowledgement; None for whatever Alertmanager would try again."""
        try:
            answer = client.post(f"{place}/v1/alerts", json=webhook.body)
        except httpx.TransportError:
            return None
        if answer.status_code not in (202, 503):
            self._log.troubles.append(f"{answer.status_code}: {answer.text[:300]}")
        return answer if answer.status_code == 202 else None
