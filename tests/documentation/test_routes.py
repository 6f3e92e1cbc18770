"""The calls that the documentation tells of are those of the contract, and need the scopes that it says."""

import re
from typing import Any, cast

from service.gateway.context import Gateway
from service.gateway.doors import Doors
from service.gateway.web import web_app
from service.telemetry import Meters
from tests.documentation.pages import PAGES, rows, spans

CALL = re.compile(r"^(GET|HEAD|POST|PUT|PATCH|DELETE) (/[^ ?]*)")
NAMED = re.compile(r"\{\w+\}|\bID\b")

Calls = list[tuple[str, str, str]]
"""Method, path and scope, "none" where none is needed."""


def there() -> Calls:
    """The calls that a gateway with closed doors, to which exporters may send, has."""
    nothing = cast("Any", object())  # the contract looks at none of the parts
    app = web_app(Gateway(nothing, Meters(), nothing, "none", Doors()), "0", nothing)
    contract = app.openapi()
    of_routes = [
        (method.upper(), path, scope_of(operation["security"]))
        for path, operations in contract["paths"].items()
        for method, operation in operations.items()
    ]
    own = app.openapi_url or ""
    return [*of_routes, ("GET", own, str(Doors().needed("GET", own)))]


def scope_of(security: list[dict[str, list[str]]]) -> str:
    return next(iter(security[0].values()))[0] if security else "none"


def told() -> Calls:
    """The calls of the table, each once."""
    found = [(call.strip("`").split(" "), scope.strip("`")) for call, scope, _ in rows("| call | scope | does |")]
    return [(method, path, scope) for (method, path), scope in found]


def test_every_call_is_told_of_once_with_its_scope_and_every_call_that_is_told_of_is_there() -> None:
    assert sorted(told()) == sorted(there())


def test_every_call_that_is_spoken_of_anywhere_is_there() -> None:
    known = {(method, NAMED.sub("…", path)) for method, path, _ in there()}
    spoken = {(page.name, *match.groups()) for page in PAGES for span in spans(page) if (match := CALL.match(span))}
    assert len(spoken) > len(known)
    assert {call for call in spoken if (call[1], NAMED.sub("…", call[2])) not in known} == set()
