"""The file of tokens: TOML, one ``[[token]]`` each, by its digest, so that whoever reads the file cannot use them."""

import hashlib
import hmac
import os
import secrets
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from service.errors import CallerError, SettingsError
from service.gateway.callers import ANY_TENANT, TENANT, Scope
from service.stores.validation import first_fault
from service.telemetry import logger

PREFIX = "hyp_"
"""By which scanners of repositories and logs know a token of ours."""


class Token(BaseModel):
    """One token: ``tenant`` is the only one that it speaks for, ``*`` any that a request names."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Annotated[str, Field(pattern=r"^[\w.@-]{1,100}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    tenant: str = ""

    @field_validator("tenant")
    @classmethod
    def _nameable(cls, tenant: str) -> str:
        if tenant not in ("", ANY_TENANT) and not TENANT.fullmatch(tenant):
            raise ValueError('should be letters, digits, "_", "." and "-", or "*" for any')
        return tenant


class _Tokens(BaseModel):
    model_config = ConfigDict(extra="forbid")
    token: Annotated[tuple[Token, ...], Field(min_length=1)]


class TokenFile:
    """The tokens of a file, read again when it changes. While what stands there is no file of tokens, those that were
    read before go on being valid, and the log says so: a slip of the hand must not lock alerts out.

    Raises `SettingsError` if it cannot be read at first.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._look()
        self._tokens = read_tokens(path)

    def find(self, presented: str) -> Token | None:
        """The token that was presented; None if none is. How long it takes tells nothing of those that there are."""
        self._refresh()
        digest = _digest(presented)
        found: Token | None = None
        for token in self._tokens:
            if hmac.compare_digest(token.sha256, digest):
                found = token
        return found

    def _refresh(self) -> None:
        if (seen := self._look()) == self._seen:
            return
        self._seen = seen
        try:
            self._tokens = read_tokens(self._path)
        except SettingsError as error:
            logger("gateway").error("%s; the tokens of before stay valid", error)
        else:
            logger("gateway").info("%s: read again, %d tokens", self._path, len(self._tokens))

    def _look(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return found.st_ino, found.st_mtime_ns, found.st_size


def read_tokens(path: Path) -> Sequence[Token]:
    """The tokens of a file. Raises `SettingsError` with one line."""
    try:
        return _Tokens.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).token
    except ValidationError as error:
        raise SettingsError(f"tokens {path}: {first_fault(error)}") from None
    except OSError as error:
        raise SettingsError(f"tokens {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError):  # its text may hold what somebody took for a token's place
        raise SettingsError(f"tokens {path}: is no TOML") from None


def add_token(path: Path, name: str, scopes: Sequence[Scope], tenant: str = "") -> str:
    """Make a token, add it to the file, which is made if need be, and return it: it stands nowhere else.

    Raises `CallerError` where the file is none of tokens or cannot be written, or the name or the tenant cannot be.
    """
    secret = PREFIX + secrets.token_urlsafe(32)
    try:
        made = Token(name=name, sha256=_digest(secret), scopes=frozenset(scopes), tenant=tenant)
    except ValidationError as error:
        raise CallerError(first_fault(error)) from None
    if path.exists() and any(token.name == name for token in read_tokens(path)):
        raise CallerError(f"tokens {path}: {name} is in it already; a token that takes its place needs another name")
    try:
        with open(path, "a", encoding="utf-8", opener=_for_us_alone) as file:
            file.write(_entry(made))
    except OSError as error:
        raise CallerError(f"tokens {path}: {error.strerror or error}") from None
    return secret


def _entry(token: Token) -> str:
    scopes = ", ".join(f'"{scope}"' for scope in Scope if scope in token.scopes)
    tenant = f'tenant = "{token.tenant}"\n' if token.tenant else ""
    return f'[[token]]\nname = "{token.name}"\nsha256 = "{token.sha256}"\nscopes = [{scopes}]\n{tenant}\n'


def _for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _digest(secret: str) -> str:
    """Plain SHA-256 is enough for 256 random bits, which nobody guesses; it is for no password that people choose."""
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()
