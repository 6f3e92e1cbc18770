"""What goes over the wire to an OpenAI-compatible server, and back: chat completions with tools, and without."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.errors import ModelError
from service.llm.server import first_fault
from service.ports import ChatReply, ChatRequest, Message, ToolSpec


class Way(StrEnum):
    """How a server is made to answer with one call, best first."""

    TOOLS = "tools"
    JSON_SCHEMA = "json-schema"
    JSON_TEXT = "json-text"


Body = dict[str, Any]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Function(_Wire):
    name: str = ""
    arguments: str | dict[str, Any] = ""  # some servers send an object where the API says a string


class _ToolCall(_Wire):
    function: _Function = Field(default_factory=_Function)


class _Message(_Wire):
    content: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(_Wire):
    message: _Message
    token_ids: list[int] | None = None


class _Usage(_Wire):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Completion(_Wire):
    """As much of a chat completion as is needed."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None

    @property
    def calls_a_tool(self) -> bool:
        """Whether its first choice is a tool call."""
        return bool(self.choices[0].message.tool_calls)

    @property
    def has_token_ids(self) -> bool:
        """Whether the server told the ids of the tokens that it made."""
        return self.choices[0].token_ids is not None


def read_completion(content: bytes) -> Completion:
    """A server's answer; `ModelError` if it is no chat completion."""
    try:
        return Completion.model_validate_json(content)
    except ValidationError as error:
        raise ModelError(f"the model server's answer is no chat completion: {first_fault(error)}") from error


def to_body(request: ChatRequest, way: Way, *, allowed_tools: bool = False) -> Body:
    """The body of a request, but for what belongs to the server (its model's name, extras)."""
    body: Body = {"temperature": 0, "max_tokens": request.max_tokens}
    if way is Way.TOOLS:
        body["messages"] = [_with_tools(m) for m in request.messages]
        body["tools"] = [_tool(t) for t in request.tools]
        body["parallel_tool_calls"] = False
        body["tool_choice"] = _choice(request, allowed_tools=allowed_tools)
        return body
    body["messages"] = _in_plain_words(request)
    if way is Way.JSON_SCHEMA:
        schema = {"name": "move", "strict": True, "schema": _schema(request)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def to_reply(completion: Completion, way: Way) -> ChatReply:
    """The move that a completion makes: its first call, or a call that is written as JSON in its text."""
    message = completion.choices[0].message
    text = message.content or ""
    name, arguments = "", ""
    if message.tool_calls:
        function = message.tool_calls[0].function
        given = function.arguments
        name, arguments = function.name, given if isinstance(given, str) else json.dumps(given)
    elif way is not Way.TOOLS:
        name, arguments = _call_in(text)
    usage = completion.usage or _Usage()
    return ChatReply(
        call_name=name,
        call_arguments=arguments,
        text="" if name else text,
        prompt_tokens=usage.prompt_tokens or 0,
        completion_tokens=usage.completion_tokens or 0,
        token_ids=tuple(completion.choices[0].token_ids or ()),
    )


def _tool(spec: ToolSpec) -> Body:
    function = {"name": spec.name, "description": spec.description, "parameters": spec.parameters, "strict": True}
    return {"type": "function", "function": function}


def _choice(request: ChatRequest, *, allowed_tools: bool) -> str | Body:
    """Which tools may be called. Where some may, and the server cannot be told so, any: the parser will refuse."""
    named = [{"type": "function", "function": {"name": name}} for name in request.allowed]
    if len(named) == 1:
        return named[0]
    if allowed_tools and len(named) < len(request.tools):
        return {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": named}}
    return "required"


def _with_tools(message: Message) -> Body:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.call_id, "content": message.content}
    if not message.call_name:
        return {"role": message.role, "content": message.content}
    function = {"name": message.call_name, "arguments": message.call_arguments}
    calls = [{"id": message.call_id, "type": "function", "function": function}]
    return {"role": "assistant", "content": "", "tool_calls": calls}


def _in_plain_words(request: ChatRequest) -> list[Body]:
    """The same conversation for a server without tools: they are told in the system prompt, and calls are JSON."""
    tools = [f"{t.name}: {t.description} Arguments: {json.dumps(t.parameters)}" for t in request.tools]
    rule = 'Answer with one JSON object and nothing else: {"tool": NAME, "arguments": {…}}. Tools:'
    messages = [_plain(m) for m in request.messages]
    messages[0]["content"] = "\n".join((str(messages[0]["content"]), rule, *tools))
    # What is allowed now stands last, so that everything before it stays as it was in the turn before.
    messages[-1]["content"] = f"{messages[-1]['content']}\n(call {' or '.join(request.allowed)})"
    return messages


def _plain(message: Message) -> Body:
    if message.role == "tool":
        return {"role": "user", "content": message.content}
    if not message.call_name:
        return {"role": message.role, "content": message.content}
    return {"role": "assistant", "content": f'{{"tool": "{message.call_name}", "arguments": {message.call_arguments}}}'}


def _schema(request: ChatRequest) -> Body:
    """One call of an allowed tool, as a JSON schema."""
    calls = [_call_schema(t) for t in request.tools if t.name in request.allowed]
    return calls[0] if len(calls) == 1 else {"anyOf": calls}


def _call_schema(tool: ToolSpec) -> Body:
    return {
        "type": "object",
        "properties": {"tool": {"type": "string", "enum": [tool.name]}, "arguments": tool.parameters},
        "required": ["tool", "arguments"],
        "additionalProperties": False,
    }


class _WrittenCall(BaseModel):
    model_config = ConfigDict(extra="forbid")
    tool: str
    arguments: dict[str, Any]


def _call_in(text: str) -> tuple[str, str]:
    """The call that a text consists of, in a code fence or not; nothing if it is none."""
    start, end = text.find("{"), text.rfind("}")
    try:
        said = _WrittenCall.model_validate_json(text[start : end + 1])
    except ValidationError:
        return "", ""
    return said.tool, json.dumps(said.arguments)


def tiny_request(allowed: Sequence[str] = ("ready",)) -> ChatRequest:
    """The smallest question that shows whether a server keeps to tools: two to choose from, one or both allowed."""
    nothing: dict[str, object] = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    tools = tuple(ToolSpec(name, "Say so.", nothing) for name in ("ready", "busy", "gone"))
    return ChatRequest((Message("system", "Call ready."), Message("user", "Ready?")), tools, tuple(allowed), 64)
