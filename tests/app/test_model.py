from pathlib import Path

import pytest

from service.agent.prompt import prompt_id
from service.errors import SettingsError
from service.llm.completions import CompletionsModel
from service.llm.embedded.engine import EmbeddedModel
from service.llm.openai import OpenAIModel
from service.llm.rules import RulesModel
from service.settings import ModelSettings
from service.tools.specs import tools_id
from service.wiring.models import build_model, title
from tests.conftest import REPOSITORY
from tests.llm.embedded.nets import write_directory

SERVER = "http://127.0.0.1:9"


def _manifest(directory: Path, **told: str) -> str:
    usual = {
        "name": "small",
        "version": "3",
        "engine": "openai",
        "rendering": "aliases",
        "prompt_id": prompt_id("aliases"),
        "sha256": "ab12",
    }
    lines = [f'{key} = "{value}"' for key, value in (usual | told).items()]
    (directory / "manifest.toml").write_text("\n".join(lines))
    return str(directory)


def test_no_model_and_the_rules_are_built_in() -> None:
    assert build_model(ModelSettings(name="none")) is None
    assert isinstance(build_model(ModelSettings(name="rules")), RulesModel)


def test_the_manifest_of_a_models_directory_chooses_the_words_in_which_it_is_asked(tmp_path: Path) -> None:
    model = build_model(ModelSettings(name=_manifest(tmp_path), base_url=SERVER))
    assert isinstance(model, OpenAIModel)
    assert model.rendering == "aliases"
    assert (model.identity.name, model.identity.version, model.identity.sha256) == ("small", "3", "ab12")


def test_a_model_of_our_own_runs_here_or_on_a_server_if_one_is_named(tmp_path: Path) -> None:
    directory = str(write_directory(tmp_path / "small"))
    assert isinstance(build_model(ModelSettings(name=directory)), EmbeddedModel)
    model = build_model(ModelSettings(name=directory, base_url=SERVER))
    assert isinstance(model, CompletionsModel)
    assert (model.rendering, model.identity.name, model.identity.version) == ("aliases", "small", "3")
    assert len(model.identity.sha256) == 64


def test_a_model_of_our_own_that_is_damaged_is_refused_wherever_it_runs(tmp_path: Path) -> None:
    directory = write_directory(tmp_path / "small")
    (directory / "config.json").write_text("{}")
    for url in ("", SERVER):
        with pytest.raises(SettingsError, match="damaged"):
            build_model(ModelSettings(name=str(directory), base_url=url))


def test_a_name_on_a_server_is_asked_in_names() -> None:
    model = build_model(ModelSettings(name="large", base_url=SERVER))
    assert isinstance(model, OpenAIModel)
    assert model.rendering == "names"


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({"prompt_id": "0123"}, "made for prompt 0123"),
        ({"engine": "embedded"}, "made for tools that it does not tell"),
        ({"engine": "embedded", "tools_id": tools_id()}, "model.safetensors is missing; a trained model has"),
        ({"rendering": "haiku"}, "rendering"),
    ],
)
def test_a_directory_that_does_not_fit_is_refused_in_one_line(tmp_path: Path, told: dict[str, str], line: str) -> None:
    with pytest.raises(SettingsError, match=line) as error:
        build_model(ModelSettings(name=_manifest(tmp_path, **told), base_url=SERVER))
    assert "\n" not in str(error.value)


def test_a_models_title_tells_whose_weights_answer(tmp_path: Path) -> None:
    directory = write_directory(tmp_path / "small")
    weights = build_model(ModelSettings(name=str(directory)))
    assert weights is not None
    assert title(ModelSettings(name=str(directory))) == f"{directory}: small 3 {weights.identity.sha256[:12]}"
    assert title(ModelSettings(name="rules")) == "rules"


def test_a_model_that_nobody_serves_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="base_url"):
        build_model(ModelSettings(name=_manifest(tmp_path)))


def test_the_shipped_rules_fit_this_services_prompt() -> None:
    shipped = REPOSITORY / "model_store" / "models" / "rules"
    assert isinstance(build_model(ModelSettings(name=str(shipped))), RulesModel)
