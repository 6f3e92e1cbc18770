"""From settings to who may come in."""

import ipaddress
import socket

from service.errors import SettingsError
from service.gateway.connections import ConnectionLimits
from service.gateway.doors import Doors
from service.gateway.rate_limit import RateLimits
from service.gateway.tokens import TokenFile
from service.settings import GatewaySettings, Settings
from service.stores.embedded.room import Room


def open_doors(settings: Settings) -> Doors:
    """Who may come in. Raises `SettingsError` where others than this machine would, and nobody says who they are."""
    doors = probe_doors(settings)
    if doors.tokens is None and not doors.open:
        raise SettingsError(
            f"{settings.host} can be reached from other machines: set doors.tokens_file to a file of tokens "
            "(hypocenter token FILE NAME --scope SCOPE makes one), or listen on 127.0.0.1"
        )
    return doors


def probe_doors(settings: Settings) -> Doors:
    """The same for who answers probes alone, which are open to everybody: without tokens the rest is shut."""
    said = settings.doors
    return Doors(
        tokens=None if said.tokens_file is None else TokenFile(said.tokens_file),
        open=said.tokens_file is None and is_loopback(settings.host),
        metrics_open=said.metrics_open,
        tenant_header=said.tenant_header,
        tenant_label=said.tenant_label,
    )


def rate_limits(said: GatewaySettings) -> RateLimits:
    """How many requests may come in a second."""
    return RateLimits(said.requests_per_s, said.caller_requests_per_s)


def alerts_room(said: GatewaySettings) -> Room:
    """The memory that notifications may take up; the longest always finds room in it."""
    return Room(max(said.alerts_room_bytes, said.alerts_limit_bytes), "alerts")


def connection_limits(said: GatewaySettings) -> ConnectionLimits:
    """What connections may do before they are requests."""
    return ConnectionLimits(said.connections, said.header_limit_bytes, said.header_timeout_s)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach who listens there: every address that the name has is of the loopback."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return bool(found) and all(ipaddress.ip_address(str(told[4][0])).is_loopback for told in found)
    except (OSError, ValueError):  # a name that is none is refused when it is listened on
        return False
