"""Who tells: an Alertmanager in little, with its own log of what was acknowledged."""

import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from tests.drills.storm import Pair, Webhook

PATIENCE_S = 240
AGAIN_S = 0.05


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
            thread.join(2 * PATIENCE_S)
        assert not self.sending
        assert self._log.troubles == []

    def _send(self, share: Sequence[Webhook], urls: Sequence[str], first: int) -> None:
        places = itertools.cycle([*urls[first % len(urls) :], *urls[: first % len(urls)]])
        with httpx.Client(timeout=PATIENCE_S) as client:
            place = next(places)
            for webhook in share:
                until = time.monotonic() + PATIENCE_S
                while (answer := self._told(client, place, webhook)) is None:
                    if time.monotonic() > until:
                        self._log.troubles.append(f"nobody at {urls} acknowledged within {PATIENCE_S} s")
                        return
                    self._log.refused()
                    place = next(places)
                    time.sleep(AGAIN_S)
                self._log.acknowledged(webhook, answer)

    def _told(self, client: httpx.Client, place: str, webhook: Webhook) -> httpx.Response | None:
        """The acknowledgement; None for whatever Alertmanager would try again."""
        try:
            answer = client.post(f"{place}/v1/alerts", json=webhook.body)
        except httpx.TransportError:
            return None
        if answer.status_code not in (202, 503):
            self._log.troubles.append(f"{answer.status_code}: {answer.text[:300]}")
        return answer if answer.status_code == 202 else None
