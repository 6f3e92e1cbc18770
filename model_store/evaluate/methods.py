"""Our own rows of the table. All go through the one `localize`."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from model_store.evaluate.ablation import ABLATIONS
from service.agent.budget import Budget
from service.agent.localize import localize
from service.agent.models import fusion_of, open_model
from service.domain.localization import Localization, RankedBy
from service.errors import CallerError
from service.llm.manifest import read_manifest
from service.llm.promoted import PROMOTED, STORE, model_directory
from service.llm.rules import RulesModel
from service.ports import ChatModel
from service.rank.fusion import Fusion
from service.view.view import View

Method = Callable[[View], Awaitable[Localization]]

STATISTICAL = "statistical"
NO_MODEL = "none"
MODELS: Mapping[str, Callable[[], ChatModel]] = {"rules": RulesModel}
"""Models that can be asked for by name."""


def opened(name: str) -> tuple[ChatModel | None, Fusion]:
    """The model of that name, of the store, or that a directory of that name holds, and what its word is worth beside
    the statistics. Raises `CallerError` where there is none such, `SettingsError` for one that does not fit.
    """
    if name == NO_MODEL:
        return None, Fusion()
    if name in MODELS:
        return MODELS[name](), Fusion()
    if (directory := model_directory(STORE, name)) is None:
        known = ", ".join((*MODELS, NO_MODEL, PROMOTED))
        raise CallerError(f"--model {name}: no such model; there are {known}, those of the store, or a directory")
    return open_model(directory), fusion_of(read_manifest(directory))


def methods(model: ChatModel | None, budget: Budget, fusion: Fusion | None = None) -> dict[str, Method]:
    """The statistical rank and, with a model, the model alone and both fused."""
    fusion = fusion or Fusion()
    ours: dict[str, Method] = {STATISTICAL: _by(None, budget, RankedBy.STATISTICAL, fusion)}
    if model is not None:
        for rank in (RankedBy.MODEL, RankedBy.FUSED):
            ours[row_name(model.identity.name, rank)] = _by(model, budget, rank, fusion)
    return ours


def row_name(model: str, rank: RankedBy) -> str:
    """What a method's row is called."""
    return STATISTICAL if rank is RankedBy.STATISTICAL else f"{model}, {'alone' if rank is RankedBy.MODEL else 'fused'}"


def ablations(budget: Budget) -> dict[str, Method]:
    """The statistical rank without each part of the evidence, and with one kind of rows alone."""
    statistical = _by(None, budget, RankedBy.STATISTICAL, Fusion())
    return {name: _on(statistical, change) for name, change in ABLATIONS.items()}


def _by(model: ChatModel | None, budget: Budget, rank: RankedBy, fusion: Fusion) -> Method:
    async def answer(view: View) -> Localization:
        localization = (await localize(view, model, budget, rank=rank, fusion=fusion)).localization
        if rank is RankedBy.MODEL and localization.ranked_by is not RankedBy.MODEL:
            # It said nothing that holds; the statistical rank that stands in online is another row's merit.
            return replace(localization, causes=(), unresolved=True)
        return localization

    return answer


def _on(method: Method, change: Callable[[View], View]) -> Method:
    async def answer(view: View) -> Localization:
        return await method(change(view))

    return answer
