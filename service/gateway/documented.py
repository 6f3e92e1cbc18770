"""What ``/openapi.json`` says beyond what the routes' signatures tell."""

from typing import Any, cast

from pydantic import BaseModel

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
