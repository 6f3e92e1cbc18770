"""Whom a span speaks to, by its attributes: what a client calls need not write spans of its own.

Attributes are those of OpenTelemetry's semantic conventions, of today and of before 2024, and of OpenTracing.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from service.domain import names


class Role(StrEnum):
    """What a callee is that is known by its callers' spans."""

    DATABASE = "database"
    CACHE = "cache"
    QUEUE = "queue"
    EXTERNAL = "external"


CALLING: Final = frozenset({"client", "producer"})
"""Kinds of spans that speak to somebody else."""
_CONSUMING: Final = "consumer"

_PEER: Final = ("peer.service", "service.peer.name")
_DATABASE: Final = ("db.system.name", "db.system", "db.type")
_NAMESPACE: Final = ("db.namespace", "db.name", "db.instance")
_MESSAGING: Final = ("messaging.system",)
_DESTINATION: Final = (
    "messaging.destination.template",
    "messaging.destination.name",
    "messaging.destination",
    "message_bus.destination",
)
_PASSING: Final = ("messaging.destination.temporary", "messaging.destination.anonymous", "messaging.temp_destination")
"""Such a destination is made for one answer, and gone with it."""
_PROCEDURE: Final = ("rpc.service",)
_HOST: Final = (
    "server.address",
    "net.peer.name",
    "url.full",
    "http.url",
    "http.host",
    "net.sock.peer.name",
    "peer.hostname",
    "peer.address",
    "network.peer.address",
    "net.peer.ip",
    "net.sock.peer.addr",
)
ATTRIBUTES: Final = (*_PEER, *_DATABASE, *_NAMESPACE, *_MESSAGING, *_DESTINATION, *_PASSING, *_PROCEDURE, *_HOST)
"""All that is looked at."""

_CACHES: Final = frozenset({"redis", "valkey", "memcached", "hazelcast", "ehcache", "geode", "dragonfly", "keydb"})
_LOOPBACK: Final = frozenset({"localhost", "0.0.0.0", "::1"})  # noqa: S104 - read, not listened at

Callee = tuple[str, str]
"""Name and role (`Role`); both "" where nobody is named."""
NOBODY: Final[Callee] = ("", "")


def callee_of(kind: str, attributes: Mapping[str, str]) -> Callee:
    """Whom a span of that kind speaks to; of a consumer's span, the queue that it reads from."""
    if kind not in CALLING and kind != _CONSUMING:
        return NOBODY
    system = _first(attributes, _MESSAGING)
    if destination := _destination(attributes):
        return f"{system or Role.QUEUE}:{destination}", Role.QUEUE
    if kind == _CONSUMING:
        return NOBODY
    if system:
        return _named(attributes) or system, Role.QUEUE
    database, namespace = _first(attributes, _DATABASE), _first(attributes, _NAMESPACE)
    if database or namespace:
        alone = ":".join(part for part in (database or Role.DATABASE, namespace) if part)
        return _named(attributes) or alone, Role.CACHE if database.lower() in _CACHES else Role.DATABASE
    name = _named(attributes) or _first(attributes, _PROCEDURE)
    return (name, Role.EXTERNAL) if name else NOBODY


def _destination(attributes: Mapping[str, str]) -> str:
    if any(attributes.get(key, "").lower() == "true" for key in _PASSING):
        return ""
    return _first(attributes, _DESTINATION)


def _named(attributes: Mapping[str, str]) -> str:
    """By a name that somebody gave it, else by its host."""
    hosts = [_host(address) for address in _every(attributes, _HOST)]
    return _first(attributes, _PEER) or next((host for host in hosts if host), "")


def _host(address: str) -> str:
    """The host as a name: in a cluster that of its service. "" for this machine, and for a number that may be anybody's
    tomorrow; public numbers stay.
    """
    host = names.host_of(address).casefold()
    if host in _LOOPBACK or host.endswith(".localhost"):
        return ""
    if names.is_address(host):
        return host if _is_public(host) else ""
    labels = host.split(".")
    if len(labels) > 2 and "svc" in labels[2:]:
        return labels[labels.index("svc", 2) - 2]  # before it may stand a pod of a StatefulSet
    return host


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _first(attributes: Mapping[str, str], keys: Iterable[str]) -> str:
    return next((text for text in _every(attributes, keys) if not names.is_missing(text)), "")


def _every(attributes: Mapping[str, str], keys: Iterable[str]) -> Iterable[str]:
    return (attributes[key].strip() for key in keys if attributes.get(key))
