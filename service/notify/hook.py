import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from service.errors import BackendError
from service.stores.access import Certificates, secret_in
from service.stores.backend import Backend
from service.text import printable

JSON = {"Content-Type": "application/json"}

_ADDRESS = re.compile(r"(?P<server>https?://(\[[0-9a-f:.]+\]|[^\s/?#@:\[\]]+)(:[0-9]{1,5})?)(?P<path>[/?][^\s#]*)?")


@dataclass(frozen=True, slots=True)
class Hook:
    """An address that is posted to.

    Where it stands in a ``file``, whoever knows it may post: it is read for every post, and stands in no error.
    """

    backend: Backend
    file: Path | None = None

    async def post(self, content: bytes, headers: Mapping[str, str] = JSON) -> None:
        """Post it once. Raises `BackendError`."""
        if self.file is None:
            path = "/" if self.backend.access.url.endswith("/") else ""
            await self.backend.ask("POST", path, data=content, headers=headers, retry=False)
            return
        server, path = split_address(self.file)
        if server != self.backend.access.url:
            raise self.backend.failure(f"is not told: {self.file} names another server since the start")
        try:
            await self.backend.ask("POST", path, data=content, headers=headers, retry=False)
        except BackendError as error:
            raise BackendError(_without(printable(path[1:]), str(error)), error.retry_after_s) from None

    async def found(self) -> str:
        """That connections are taken there, by a TLS that is believed. Nothing is sent. Raises `BackendError`."""
        access = self.backend.access
        parts, certificates = urlsplit(access.url), Certificates(access)
        certificates.refresh()
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        try:
            async with asyncio.timeout(access.connect_s):
                context = certificates.context if secure else None
                _, writer = await asyncio.open_connection(parts.hostname, port, ssl=context)
                writer.close()
                await writer.wait_closed()
        except OSError as error:
            why = str(error) or f"no connection within {access.connect_s:g} s"
            raise self.backend.failure(f"at {access.shown} cannot be reached: {why}") from None
        return f"{self.backend.name} at {access.shown} takes connections; nothing was sent"


def split_address(file: Path) -> tuple[str, str]:
    """The server that a file's address names, and what is below it. Raises `BackendError`."""
    address = secret_in(file)
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise BackendError(f"{file} holds no address such as https://hooks.example.org/services/…")
    return found["server"], found["path"] or "/"


def _without(secret: str, told: str) -> str:
    """The text without the secret, also where that was cut off."""
    told = told.replace(secret, "…") if secret else told
    begun = told.find(secret[:8]) if len(secret) > 8 else -1
    return told if begun < 0 else f"{told[:begun]}…"
