"""An API server that lists, as far as we ask one: tokens, namespaces, pages that expire, field selectors, roles."""

import base64
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

Object = dict[str, Any]

_PATH = re.compile(r"/(?P<api>api/v1|apis/apps/v1)(/namespaces/(?P<namespace>[^/]+))?/(?P<resource>[a-z]+)")
_APIS: Final = {
    "pods": "api/v1",
    "nodes": "api/v1",
    "events": "api/v1",
    "replicasets": "apis/apps/v1",
    "controllerrevisions": "apis/apps/v1",
}
_FIELDS: Final = {"events": {"involvedObject.kind", "involvedObject.name", "type", "reason"}, "pods": {"spec.nodeName"}}
_EVERYWHERE: Final = {"metadata.name", "metadata.namespace"}
"""What a selector may speak of; the real one refuses other fields too."""


@dataclass(slots=True)
class FakeKubernetes:
    """Answers an `httpx.MockTransport`. ``objects`` are lists by resource, with nothing in them but what the API has.

    ``token`` is what callers have to bear; ``forbidden`` are resources that their role does not grant; after
    ``expires_after`` pages a list's continuation is gone (410), as happens where it is read too slowly.
    """

    objects: Mapping[str, Sequence[Object]]
    token: str = ""
    forbidden: Set[str] = frozenset()
    expires_after: int | None = None
    asked: list[httpx.Request] = field(default_factory=list[httpx.Request])

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """The answer of the API server."""
        self.asked.append(request)
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return _status(401, "Unauthorized", "Unauthorized")
        if request.url.path == "/version":
            return httpx.Response(200, json={"major": "1", "minor": "32", "gitVersion": "v1.32.0"})
        found = _PATH.fullmatch(request.url.path)
        if found is None or request.method != "GET" or _APIS.get(found["resource"]) != found["api"]:
            return _status(404, "NotFound", "the server could not find the requested resource")
        if found["resource"] in self.forbidden:
            return _status(403, "Forbidden", f"{found['resource']} is forbidden: User cannot list resource")
        return self._list(found["resource"], found["namespace"] or "", dict(request.url.params))

    def _list(self, resource: str, namespace: str, params: dict[str, str]) -> httpx.Response:
        told = [part.partition("=") for part in params.get("fieldSelector", "").split(",") if part]
        chosen = [(name, value) for name, _, value in told]
        known = _EVERYWHERE | _FIELDS.get(resource, set())
        if unknown := [name for name, _ in chosen if name.removesuffix("!") not in known]:
            return _status(400, "BadRequest", f"field label not supported: {unknown[0]}")
        if namespace:
            chosen.append(("metadata.namespace", namespace))
        matching = [o for o in self.objects.get(resource, ()) if all(_matches(o, *one) for one in chosen)]
        return self._page(resource, matching, int(params.get("limit", "0")), params.get("continue", ""))

    def _page(self, resource: str, items: list[Object], limit: int, go_on: str) -> httpx.Response:
        start, number = map(int, base64.b64decode(go_on).split(b":")) if go_on else (0, 0)
        if self.expires_after is not None and number >= self.expires_after > 0 and go_on:
            return _status(410, "Expired", "The provided continue parameter is too old to display a consistent list")
        end = start + limit if limit else len(items)
        left = len(items) - end
        more = base64.b64encode(f"{end}:{number + 1}".encode()).decode() if left > 0 else ""
        metadata = {"resourceVersion": "1", **({"continue": more, "remainingItemCount": left} if more else {})}
        page = {"kind": f"{resource.title()}List", "metadata": metadata, "items": items[start:end] or None}
        return httpx.Response(200, json=page)


def _matches(item: Object, name: str, value: str) -> bool:
    if name.endswith("!"):
        return _at(item, name[:-1]) != value
    return _at(item, name) == value.removeprefix("=")


def _at(item: Object, path: str) -> object:
    found: Any = item
    for step in path.split("."):
        found = found.get(step, "") if isinstance(found, dict) else ""  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return found  # pyright: ignore[reportUnknownVariableType]


def _status(code: int, reason: str, message: str) -> httpx.Response:
    told = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason}
    return httpx.Response(code, json=told | {"code": code})
