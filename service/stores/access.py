"""How a backend is reached: its address, our credentials, and how long and how much we wait for."""

import base64
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from service.errors import BackendError

LONGEST_SECRET = 65_536
_UNSENDABLE = re.compile(r"[^\x20-\x7e]")
"""What the value of a header cannot hold."""


@dataclass(frozen=True, slots=True)
class Access:
    """One server, how we show who we are, and the limits of every call.

    Secrets stand in files, which are read for every request, so that what is rotated is taken up. ``connect_s`` and
    ``read_s`` are for one connection and one silence, ``total_s`` for a call with its waiting in line and its retries.
    ``pause_s`` is about how long the first retry waits, the second twice that. ``body_limit_bytes`` is the longest
    answer, unpacked; ``at_once`` how many requests may be under way. ``secret_paths``: what is asked for below
    the address is a credential, which no trace tells.
    """

    url: str
    connect_s: float = 2.0
    read_s: float = 6.0
    total_s: float = 8.0
    pause_s: float = 0.1
    tenant: str = ""
    tenant_header: str = "X-Scope-OrgID"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    header_files: Mapping[str, Path] = field(default_factory=dict[str, Path])
    bearer_file: Path | None = None
    user: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    body_limit_bytes: int = 32_000_000
    at_once: int = 4
    secret_paths: bool = False

    @property
    def shown(self) -> str:
        """The address without credentials that it may hold."""
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"

    def sent(self) -> dict[str, str]:
        """The headers of a request, with secrets as their files have them now.

        Raises `BackendError` where a file cannot be read or holds what no header can; no secret is ever in its text.
        """
        told = dict(self.headers)
        if self.tenant:
            told[self.tenant_header] = self.tenant
        told |= {name: secret_in(file) for name, file in self.header_files.items()}
        if self.password_file is not None:
            pair = f"{self.user}:{secret_in(self.password_file)}"
            told["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        if self.bearer_file is not None:
            told["Authorization"] = f"Bearer {secret_in(self.bearer_file)}"
        return told

    def certificates(self) -> Iterator[Path]:
        """The files that TLS needs."""
        yield from (file for file in (self.ca_file, self.certificate_file, self.key_file) if file is not None)


class Certificates:
    """What TLS needs, taken up again when its files change: connections that are made from then on know the new."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._loaded: tuple[tuple[int, int], ...] | None = None
        # Where an own authority is named, or no certificate is met at all, those of the system need not be read.
        few = access.ca_file is not None or not access.url.startswith("https:")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if few else ssl.create_default_context()

    def refresh(self) -> None:
        """Look at the files. Raises `BackendError` where one cannot be used."""
        try:
            there = tuple((file.stat().st_mtime_ns, file.stat().st_size) for file in self._access.certificates())
            if there != self._loaded:
                self._load()
                self._loaded = there
        except (OSError, ssl.SSLError) as error:
            names = ", ".join(str(file) for file in self._access.certificates())
            raise BackendError(f"certificates cannot be used ({names}): {error.strerror or error}") from None

    def _load(self) -> None:
        access = self._access
        if access.ca_file is not None:
            self.context.load_verify_locations(access.ca_file)
        if access.certificate_file is not None:
            self.context.load_cert_chain(access.certificate_file, access.key_file)


def secret_in(file: Path) -> str:
    """The secret that a file holds now. Raises `BackendError`, never with the secret in its text."""
    try:
        with file.open(encoding="ascii") as opened:
            told = opened.read(LONGEST_SECRET).strip()
    except OSError as error:
        raise BackendError(f"a credential cannot be read from {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BackendError(f"the credential in {file} is no plain text") from None
    if not told or _UNSENDABLE.search(told):
        raise BackendError(f"the credential in {file} is empty or holds what a header cannot")
    return told
