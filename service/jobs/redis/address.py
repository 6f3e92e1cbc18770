from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider

from service.errors import SettingsError, StoreError

CONNECTIONS = 16
"""All that is asked is asked of one server, which does one thing at a time."""

FORM = "redis[s]://[user[:password]@]host[:port][/database]"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Redis or Valkey is, and who we are there. The password's file is read for every connection."""

    host: str
    port: int
    database: int
    tls: bool
    user: str = ""
    password: str = field(default="", repr=False)
    password_file: Path | None = None
    ca_file: Path | None = None

    @classmethod
    def of(cls, url: str, password_file: Path | None = None, ca_file: Path | None = None) -> "Address":
        """That of a URL of the form `FORM`. Raises `SettingsError`, which does not repeat it."""
        refusal = SettingsError(f"store: should be a path or {FORM}")
        try:
            parts = urlsplit(url)
            host, port, database = parts.hostname, parts.port or 6379, int(parts.path.strip("/") or 0)
        except ValueError:
            raise refusal from None
        if not host or parts.scheme not in ("redis", "rediss") or parts.query or parts.fragment or database < 0:
            raise refusal
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(host, port, database, parts.scheme == "rediss", user, password, password_file, ca_file)

    @property
    def shown(self) -> str:
        """The address as people may see it."""
        return f"{'rediss' if self.tls else 'redis'}://{self.host}:{self.port}/{self.database}"

    def pool(self, limit_s: float) -> BlockingConnectionPool:
        """Connections to it. Nothing is tried twice: what was not heard of may have happened."""
        return BlockingConnectionPool(
            max_connections=CONNECTIONS,
            timeout=limit_s,
            connection_class=SSLConnection if self.tls else Connection,
            host=self.host,
            port=self.port,
            db=self.database,
            credential_provider=_Credentials(self) if self._guarded else None,
            socket_timeout=limit_s,
            socket_connect_timeout=limit_s / 2,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
            protocol=2,
            **self._trust(),
        )

    @property
    def _guarded(self) -> bool:
        return bool(self.user or self.password or self.password_file)

    def _trust(self) -> Mapping[str, Any]:
        return {"ssl_ca_certs": str(self.ca_file)} if self.tls and self.ca_file else {}


class _Credentials(CredentialProvider):
    def __init__(self, address: Address) -> None:
        self._address = address

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        password = self._address.password
        if (file := self._address.password_file) is not None:
            try:
                password = file.read_text(encoding="utf-8").strip()
            except (OSError, ValueError) as error:
                raise StoreError(f"password {file}: {error}") from None
        return (self._address.user, password) if self._address.user else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        return self.get_credentials()
