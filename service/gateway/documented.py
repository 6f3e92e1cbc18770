"""What ``/openapi.json`` says beyond what the routes' signatures tell."""

from collections.abc import Callable
from typing import Any, cast

from pydantic import BaseModel

from service.gateway.callers import Scope
from service.gateway.problem import MEDIA_TYPE

Schema = dict[str, Any]

PROBLEM: Schema = {
    "type": "object",
    "required": ["schema_version", "type", "title", "status", "detail"],
    "properties": {
        "schema_version": {"const": "1"},
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What was wrong, where, and what would be right; one line."},
    },
}

PROBLEMS: dict[int | str, Schema] = {
    "default": {"description": "What went wrong (RFC 9457).", "content": {MEDIA_TYPE: {"schema": PROBLEM}}}
}
"""The answer of every route to everything that it cannot do."""


SCHEMES = {"bearer": {"type": "http", "scheme": "bearer"}, "basic": {"type": "http", "scheme": "basic"}}


def with_security(contract: Schema, needed: Callable[[str, str], Scope | None]) -> Schema:
    """The contract, and with every operation which scope a token needs for it."""
    contract.setdefault("components", {})["securitySchemes"] = SCHEMES
    for path, operations in contract["paths"].items():
        for method, operation in operations.items():
            scope = needed(method.upper(), path)
            operation["security"] = [] if scope is None else [{name: [scope.value]} for name in SCHEMES]
    return contract


def schema_of(model: type[BaseModel]) -> Schema:
    """The model's JSON schema, whole: without references, which would lead nowhere inside a larger document."""
    schema = model.model_json_schema()
    known = cast("dict[str, Schema]", schema.pop("$defs", {}))
    return cast("Schema", _inlined(schema, known))


def _inlined(part: object, known: dict[str, Schema]) -> object:
    if isinstance(part, list):
        return [_inlined(item, known) for item in cast("list[object]", part)]
    if not isinstance(part, dict):
        return part
    told = cast("Schema", part)
    name = str(told.get("$ref", "")).removeprefix("#/$defs/")
    merged = {**known[name], **{key: value for key, value in told.items() if key != "$ref"}} if name in known else told
    return {key: _inlined(value, known) for key, value in merged.items()}
