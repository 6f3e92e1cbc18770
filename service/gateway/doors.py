"""Who is let in, and in whose name."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from starlette.datastructures import Headers

from service.gateway.callers import ANY_TENANT, TENANT, Caller, Scope
from service.gateway.problem import Problem
from service.gateway.tokens import TokenFile

ANYONE = "anyone"
"""The name of who comes in through an open door."""

TOLD_AT = frozenset({"/v1/alerts", "/v1/changes", "/v1/traces", "/v1/logs", "/v1/metrics"})
PROBES = frozenset({"/livez", "/readyz"})
METRICS = "/metrics"
LOOKING = frozenset({"GET", "HEAD", "OPTIONS"})


class Unauthorized(Problem):
    """Nobody knows who asks. Only bearer is offered: of basic, a browser would keep the password and use it for any
    page.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(401, detail)
        self.headers = {"WWW-Authenticate": 'Bearer realm="hypocenter"'}


@dataclass(frozen=True, slots=True)
class Doors:
    """Closed, who shows no token may only probe, and see the metrics where these are open. ``open``, everybody may do
    everything who asks for this machine by a name of its own: so no page in a browser comes in by another name that
    leads here.
    """

    tokens: TokenFile | None = None
    open: bool = False
    metrics_open: bool = False
    tenant_header: str = "X-Scope-OrgID"
    tenant_label: str = ""

    def needed(self, method: str, path: str) -> Scope | None:
        """What is needed for that; None is needed for nothing. What is not known here needs the most."""
        if path in PROBES or (path == METRICS and self.metrics_open):
            return None
        if method in LOOKING:
            return Scope.READ
        return Scope.INGEST if path in TOLD_AT else Scope.OPERATE

    def who(self, headers: Headers) -> Caller:
        """Who asks. Raises `Problem`: 401 for who is not known, 421 for who asks by a name that is not ours."""
        if self.open:
            if not _is_local(headers.get("host", "localhost")):  # no browser leaves it out
                raise Problem(421, "without tokens only requests to a name of this machine, as localhost, are answered")
            return Caller(ANYONE, "", chooses=True)
        presented = _presented(headers.get("authorization", ""))
        if not presented:
            raise Unauthorized("a token is needed: Authorization: Bearer, or as the password of Basic")
        token = self.tokens and self.tokens.find(presented)
        if token is None:
            raise Unauthorized("this token is not known")
        chooses = token.tenant == ANY_TENANT
        return Caller(token.name, "" if chooses else token.tenant, token.scopes, chooses)

    def let_in(self, caller: Caller, scope: Scope, method: str, headers: Headers) -> Caller:
        """The caller in the name of the tenant that the request is about. Raises `Problem`: 403 for what they may not,
        400 for no tenant's name.
        """
        if scope not in caller.scopes:
            raise Problem(403, f"the token {caller.name} lacks the scope {scope}")
        if method not in LOOKING and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Problem(403, "a page of another site asks")
        told = headers.get(self.tenant_header, "")
        if told and not TENANT.fullmatch(told):
            raise Problem(400, f"{self.tenant_header}: is no name of a tenant")
        if caller.chooses and told:
            return replace(caller, tenant=told, chooses=False)
        if told not in ("", caller.tenant):
            raise Problem(403, f"the token {caller.name} does not speak for that tenant")
        return caller

    def stranger_or_known(self, headers: Headers) -> Caller:
        """Anybody may probe; who is known sees more."""
        try:
            return self.who(headers)
        except Problem:
            return Caller(ANYONE, "", frozenset())

    def tenant_of(self, caller: Caller, labels: Mapping[str, str]) -> str:
        """Whose an alert is: where a label tells and the caller may name any tenant, that one's."""
        told = labels.get(self.tenant_label, "") if self.tenant_label and caller.chooses else ""
        return told if TENANT.fullmatch(told) else caller.tenant


def _presented(authorization: str) -> str:
    """The token in the header's value, "" if there is none."""
    kind, _, value = authorization.strip().partition(" ")
    match kind.lower():
        case "bearer":
            return value.strip()
        case "basic":
            try:
                return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return ""
        case _:
            return ""


_PORT = re.compile(r":\d*$")


@lru_cache(1000)
def _is_local(host: str) -> bool:
    """Whether a Host header names this machine as it is known to itself."""
    name = _PORT.sub("", host).strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
