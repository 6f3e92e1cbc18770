"""What a server is configured as, and what that means for what was acknowledged."""

from collections.abc import Mapping
from typing import Any

from service.errors import StoreError

OLDEST = 7
"""The first version of Redis whose scripts say what they may do; every Valkey is newer."""


def described(shown: str, info: Mapping[str, Any], config: Mapping[str, str] | None) -> str:
    """One line. Raises `StoreError` for a server that cannot hold the store at all."""
    name, version = _named(info)
    if name == "Redis" and int(version.split(".")[0]) < OLDEST:
        raise StoreError(f"store {shown}: is Redis {version}, should be {OLDEST} or newer, or Valkey")
    if info.get("role") == "slave":
        raise StoreError(f"store {shown}: is a replica, should be the primary")
    return "; ".join((f"{name} {version} at {shown}, {_durability(info, config)}", *_worries(info, config)))


def _named(info: Mapping[str, Any]) -> tuple[str, str]:
    if "valkey_version" in info:
        return "Valkey", str(info["valkey_version"])
    return "Redis", str(info.get("redis_version", "0"))


def _durability(info: Mapping[str, Any], config: Mapping[str, str] | None) -> str:
    if not info.get("aof_enabled"):
        return "NOT DURABLE: appendonly should be yes"
    if config is None:
        return "appendonly, how often it is flushed may not be asked (CONFIG is forbidden): should be always"
    flushed = config.get("appendfsync")
    return (
        "flushed at every write" if flushed == "always" else f"NOT DURABLE: appendfsync is {flushed}, should be always"
    )


def _worries(info: Mapping[str, Any], config: Mapping[str, str] | None) -> list[str]:
    worries: list[str] = []
    if info.get("aof_enabled") and info.get("aof_last_write_status") != "ok":
        worries.append("its last write to the disk failed")
    policy = info.get("maxmemory_policy") if config is None else config.get("maxmemory-policy")
    if policy != "noeviction":
        worries.append(f"maxmemory-policy is {policy}, should be noeviction: it may throw away what was acknowledged")
    return worries
