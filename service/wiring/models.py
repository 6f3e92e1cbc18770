"""From settings to the model that is asked, and to what its word is worth."""

from pathlib import Path

from service.agent.models import fitting, fusion_of, open_model
from service.errors import SettingsError
from service.llm.completions import CompletionsModel
from service.llm.manifest import EMBEDDED, read_manifest
from service.llm.openai import OpenAIModel
from service.llm.promoted import PROMOTED, STORE, model_directory, read_promotion
from service.llm.rules import RulesModel
from service.llm.server import Endpoint
from service.ports import ChatModel
from service.rank.fusion import Fusion
from service.settings import ModelSettings
from service.telemetry import logger

_BUILT_IN = frozenset({"none", "rules"})

_log = logger("models")


def build_model(settings: ModelSettings) -> ChatModel | None:
    """The model that is set; None where the statistical rank answers alone. Raises `SettingsError`."""
    match settings.name:
        case "none":
            return None
        case "rules":
            return RulesModel()
        case name if _nothing_promoted(settings):
            _log.warning("%s: %s", name, _NOTHING)
            return None
        case name if (directory := model_directory(settings.store or STORE, name)) is None:
            return _served_model(Endpoint(settings.base_url, name, api_key_file=settings.api_key_file))
        case _:
            return _described_model(directory, settings)


def build_fusion(settings: ModelSettings) -> Fusion:
    """What the model's word is worth, where its manifest says so."""
    directory = _directory(settings)
    return Fusion() if directory is None else fusion_of(read_manifest(directory))


def title(settings: ModelSettings) -> str:
    """Which model it is, for people: the name that is set and, of one with a manifest, whose weights these are."""
    if _nothing_promoted(settings):
        return f"{settings.name}: {_NOTHING}"
    directory = _directory(settings)
    if directory is None:
        return settings.name
    manifest = read_manifest(directory)
    return f"{settings.name}: {manifest.title} {manifest.identity.sha256[:12]}".rstrip()


_NOTHING = "no model is promoted, so the statistical rank answers alone; run hypocenter-models promote NAME"


def _nothing_promoted(settings: ModelSettings) -> bool:
    """Whether the model in use is asked for and none ever was: the service starts without."""
    return settings.name == PROMOTED and read_promotion(settings.store or STORE) is None


def _directory(settings: ModelSettings) -> Path | None:
    """Where its files lie; None for what is built in, known to a server alone, or not promoted yet."""
    if _nothing_promoted(settings):
        return None
    return None if settings.name in _BUILT_IN else model_directory(settings.store or STORE, settings.name)


def _described_model(directory: Path, settings: ModelSettings) -> ChatModel:
    """The model that a directory holds: its manifest says in which words it is asked, and was made to be asked. One
    that can run in this process runs on a server if one is named.
    """
    engine, url, key = read_manifest(directory).engine, settings.base_url, settings.api_key_file
    ours = engine == EMBEDDED
    if engine != "openai" and not (ours and url):
        return open_model(directory)
    manifest = fitting(directory)
    told = manifest.identity
    endpoint = Endpoint(url, told.name, told.version, told.sha256, key, manifest.rendering)
    return _served_model(endpoint, directory if ours else None)


def _served_model(endpoint: Endpoint, ours: Path | None = None) -> ChatModel:
    """A model on a server; one that was trained here is asked token by token, by what its directory says."""
    if not endpoint.url:
        raise SettingsError(
            f"model {endpoint.model}: is neither none, rules nor a model's directory or one of the store, and no "
            "model.base_url says who serves it"
        )
    _need_readable(endpoint.api_key_file)
    return OpenAIModel(endpoint) if ours is None else CompletionsModel.load(ours, endpoint)


def _need_readable(key: Path | None) -> None:
    """It is read anew for every round; that it is there can be said now."""
    try:
        if key is not None:
            key.read_bytes()
    except OSError as error:
        raise SettingsError(f"model.api_key_file {key}: {error.strerror}") from None
