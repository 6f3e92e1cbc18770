"""The registry of models: which there are, whether one is sound, and which is in use (`service.llm.promoted`).

A model is a directory of the store with a manifest. Promoting and rolling back change one small file, at once or not
at all; a running service goes on with the model that it opened.
"""

import asyncio
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.agent.models import fitting, open_model
from service.agent.parser import parse
from service.agent.prompt import SYSTEM
from service.domain.move import Malformed
from service.errors import CallerError, ModelError, SettingsError
from service.llm.manifest import Manifest, read_manifest
from service.llm.model_files import MANIFEST
from service.llm.promoted import FILE_NAME, Promotion, read_promotion
from service.ports import ChatModel, ChatRequest, Message
from service.tools.specs import TOOL_NAMES, TOOLS

REMEMBERED = 20
"""How many promotions back a rollback can go."""

MOVE_S = 30.0
"""How long a model may take to write its first move before it counts as broken."""

_QUESTION = """root c0
alerting c0
components 2 services 1 nodes: c0 to c1 and n0
signals traces metrics logs changes
suspects none"""


@dataclass(frozen=True, slots=True)
class Registered:
    """A model of the store; ``fault`` says why its manifest cannot be read, if so."""

    directory: Path
    manifest: Manifest | None
    fault: str
    promoted: bool

    @property
    def megabytes(self) -> float:
        """What its files take, in MB."""
        return sum(path.stat().st_size for path in self.directory.rglob("*") if path.is_file()) / 1e6


@dataclass(frozen=True, slots=True)
class Verified:
    """What a model's verification found out; of one that a server runs neither it nor its move is seen."""

    name: str
    engine: str
    loaded_s: float = 0.0
    move: str = ""
    move_s: float = 0.0

    def line(self) -> str:
        """It in one line."""
        if not self.move:
            return f"{self.name}: ok: made for this prompt and these tools; engine {self.engine} runs elsewhere"
        return (
            f"{self.name}: ok: files, prompt and tools fit, loaded in {self.loaded_s:.2f} s, first move {self.move} "
            f"in {self.move_s * 1000:.0f} ms"
        )


def registered(store: Path) -> list[Registered]:
    """The models of a store, by name. Raises `CallerError` if there is no such store."""
    promotion = read_promotion(store)
    current = promotion.current if promotion is not None else ""
    return [_registered(store / name, promoted=name == current) for name in names(store)]


def names(store: Path) -> list[str]:
    """The names of its models, ascending. Raises `CallerError` if there is no such store."""
    try:
        inside = list(store.iterdir())
    except OSError as error:
        raise CallerError(f"the store of models {store}: {error.strerror}") from None
    return sorted(path.name for path in inside if (path / MANIFEST).is_file() and not path.name.startswith("."))


def find(store: Path, name: str) -> Path:
    """The directory of a model. Raises `CallerError`, which says what there is, for a name that none has."""
    there = names(store)
    if name not in there:
        raise CallerError(f"{store} has no model {name!r}: it has {', '.join(there) or 'none'}")
    return store / name


def verify(directory: Path) -> Verified:
    """Whether a model's files are those that its manifest was written for, it was made for what this service says and
    offers, loads, and writes a move. Raises `SettingsError`, one line, for the first thing that is wrong.
    """
    manifest = fitting(directory)
    if manifest.engine == "openai":
        return Verified(directory.name, manifest.engine)
    started = time.perf_counter()
    model = open_model(directory)
    loaded = time.perf_counter()
    move = asyncio.run(_first_move(model, directory))
    return Verified(directory.name, manifest.engine, loaded - started, move, time.perf_counter() - loaded)


def promote(store: Path, name: str) -> Promotion:
    """Put a model in use, verified first; the one before is remembered. Promoting the one in use changes nothing.

    Raises `CallerError`, one line; then nothing has changed.
    """
    directory, before = find(store, name), read_promotion(store)
    verify(directory)
    if before is not None and before.current == name:
        return before
    earlier = () if before is None else (before.current, *before.previous)
    return _write(store, Promotion(name, earlier[:REMEMBERED]))


def rollback(store: Path) -> Promotion:
    """Put the model back in use that was before, verified first. Raises `CallerError`, one line, where there is none
    or it is no longer sound; then nothing has changed.
    """
    before = read_promotion(store)
    if before is None or not before.previous:
        raise CallerError(f"{store / FILE_NAME} remembers no model before the one in use: promote one by its name")
    name, *earlier = before.previous
    verify(find(store, name))
    return _write(store, Promotion(name, tuple(earlier)))


def table(models: Sequence[Registered]) -> list[str]:
    """The models as a table in Markdown."""
    head = ["| | model | version | engine | MB | scores |", "|---|---|---|---|---|---|"]
    return [*head, *map(_row, models)]


def _row(model: Registered) -> str:
    mark = "in use" if model.promoted else ""
    if (manifest := model.manifest) is None:
        return f"| {mark} | {model.directory.name} | | | {model.megabytes:.1f} | cannot be read: {model.fault} |"
    figures = (
        f"{where}: " + ", ".join(f"{name} {figure:.3g}" for name, figure in scores.items())
        for where, scores in manifest.scores.items()
    )
    version, engine = manifest.identity.version, manifest.engine
    return (
        f"| {mark} | {model.directory.name} | {version} | {engine} | {model.megabytes:.1f} | "
        f"{'; '.join(figures) or 'not measured'} |"
    )


def _registered(directory: Path, *, promoted: bool) -> Registered:
    try:
        return Registered(directory, read_manifest(directory), "", promoted)
    except SettingsError as error:
        return Registered(directory, None, str(error), promoted)


async def _first_move(model: ChatModel, directory: Path) -> str:
    """What it does first where something alerts."""
    asked = (Message("system", SYSTEM[model.rendering]), Message("user", _QUESTION))
    try:
        reply = (await model.reply([ChatRequest(asked, TOOLS, TOOL_NAMES)], MOVE_S))[0]
    except ModelError as error:
        raise SettingsError(f"{directory}: {error}") from None
    if isinstance(move := parse(reply, TOOL_NAMES), Malformed):
        raise SettingsError(f"{directory}: its first move is none: {move.reason}")
    return f"{reply.call_name} {reply.call_arguments}"


def _write(store: Path, promotion: Promotion) -> Promotion:
    """Keep it, whole or not at all, also if the machine goes down."""
    lines = (
        "# Which model is in use, and those before it, the latest first: hypocenter-models promote, rollback.",
        f"current = {json.dumps(promotion.current)}",
        f"previous = {json.dumps(promotion.previous)}",
    )
    file, aside = store / FILE_NAME, store / f".{FILE_NAME}.part"
    try:
        with aside.open("w", encoding="utf-8") as content:
            content.write("\n".join(lines) + "\n")
            content.flush()
            os.fsync(content.fileno())
        aside.replace(file)
    except OSError as error:
        raise CallerError(f"{file}: cannot be written: {error.strerror}") from None
    return promotion
