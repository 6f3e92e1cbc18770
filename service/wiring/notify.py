"""From settings to those who are told answers."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from service.concurrency import gather
from service.domain.localization import Localization
from service.errors import BackendError, SettingsError
from service.gateway.documents import incident_document
from service.jobs.records import Claim
from service.notify.alertmanager import RETRIED, Alertmanager
from service.notify.courier import Target
from service.notify.grafana import Grafana
from service.notify.hook import Hook, split_address
from service.notify.interest import Interest
from service.notify.news import Receiver
from service.notify.signature import key_in
from service.notify.slack import Slack
from service.notify.webhook import Webhook
from service.settings import NotifySettings
from service.stores.access import Access
from service.wiring.backends import Backends, access_of
from service.wiring.checkup import Report

REQUESTS = 2
"""So many does a receiver make at most, one after the other."""
LONGEST_PAUSE_S = 300.0


def open_targets(settings: Mapping[str, NotifySettings], closing: AsyncExitStack) -> tuple[Target, ...]:
    """All that are set, with connections until the stack is left. Raises `SettingsError` where one cannot be used."""
    backends = Backends()
    closing.push_async_callback(backends.aclose)
    return tuple(_target(name, said, backends) for name, said in settings.items())


def wanting(targets: Sequence[Target]) -> Callable[[Claim, Localization], list[str]]:
    """Tells the names of those who want to be told an answer."""
    return lambda claim, said: [target.name for target in targets if target.interest.wants(claim, said)]


async def examine_targets(targets: Sequence[Target]) -> Report:
    """Whether each can be reached, all at once; none is told anything."""
    told = await gather(*map(_reached, targets))
    lines = tuple(f"notify.{target.name}: {line}" for target, (_, line) in zip(targets, told, strict=True))
    return Report(lines, all(ok for ok, _ in told))


async def _reached(target: Target) -> tuple[bool, str]:
    try:
        async with asyncio.timeout(target.limit_s):
            return True, await target.receiver.found()
    except (BackendError, TimeoutError) as error:
        return False, str(error) or f"no answer within {target.limit_s:g} s"


def _target(name: str, said: NotifySettings, backends: Backends) -> Target:
    try:
        receiver = _receiver(f"notify.{name}", said, backends)
    except BackendError as error:
        raise SettingsError(f"[notify.{name}] {error}") from None
    interest = Interest(said.unresolved, said.asked, said.min_confidence, frozenset(said.tenants))
    longest_s = RETRIED.total_seconds() if isinstance(receiver, Alertmanager) else LONGEST_PAUSE_S
    limit_s, give_up = REQUESTS * said.total_s, timedelta(seconds=said.give_up_s)
    return Target(name, receiver, interest, limit_s, longest_s, give_up)


def _receiver(name: str, said: NotifySettings, backends: Backends) -> Receiver:
    access = access_of(said, None if said.url_file is None else _secret_place(said.url_file))
    backend = backends.of(name, said, access)
    match said.kind:
        case "webhook":
            for file in said.secret_files:
                key_in(file)  # read anew for every webhook; that it holds one can be said now
            return Webhook(Hook(backend, said.url_file), said.secret_files, incident_document)
        case "slack":
            return Slack(Hook(backend, said.url_file))
        case "grafana":
            return Grafana(backend)
        case _:
            return Alertmanager(backend, timedelta(seconds=said.lasts_s), said.labels)


def _secret_place(file: Path) -> Access:
    server, _ = split_address(file)
    return Access(server, secret_paths=True)
