"""Opening the model that a directory holds: only one that was made for what the loop says and offers."""

from pathlib import Path

from service.agent.prompt import SYSTEM, prompt_id
from service.errors import SettingsError
from service.llm.embedded.engine import EmbeddedModel
from service.llm.manifest import EMBEDDED, FILE_NAME, Manifest, read_manifest
from service.llm.rules import RulesModel
from service.ports import ChatModel
from service.rank.fusion import Fusion, Weights
from service.tools.specs import tools_id


def fitting(directory: Path) -> Manifest:
    """The manifest of a model's directory. Raises `SettingsError`, one line, for a model that was made for other tools
    or other words, and for files that are not those that it was written for.
    """
    manifest = read_manifest(directory)
    manifest.check_tools(tools_id())
    manifest.check_prompt({rendering: prompt_id(rendering) for rendering in SYSTEM})
    manifest.check_files(directory)
    return manifest


def open_model(directory: Path) -> ChatModel:
    """The model of a directory that runs in this process. Raises `SettingsError`, also for one that a server runs."""
    manifest = fitting(directory)
    match manifest.engine:
        case "rules":
            return RulesModel()
        case name if name == EMBEDDED:
            return EmbeddedModel.load(directory)
        case engine:
            raise SettingsError(f"{directory / FILE_NAME}: engine {engine} runs elsewhere, not in this process")


def fusion_of(manifest: Manifest) -> Fusion:
    """What the word of a model is worth beside the statistics: as its manifest says, else as anybody's."""
    return Fusion(**{part: Weights(**numbers) for part, numbers in manifest.fusion.items()})
