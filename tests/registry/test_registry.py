import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from model_store.__main__ import app
from model_store.registry import find, promote, registered, rollback, table, verify
from service.__main__ import run
from service.errors import CallerError, SettingsError
from service.llm.embedded.engine import EmbeddedModel
from service.llm.promoted import FILE_NAME, Promotion, read_promotion
from service.rank.fusion import Fusion
from service.settings import ModelSettings
from service.wiring.models import build_fusion, build_model, title
from tests.llm.embedded.nets import write_directory


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("made")
    for seed in (1, 2, 3):
        write_directory(store / f"small-{seed}", seed, version=str(seed))
    return store


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "models")


def in_use(store: Path) -> str:
    model = build_model(ModelSettings(name="promoted", store=store))
    assert isinstance(model, EmbeddedModel)
    return model.identity.version


def test_the_model_that_is_promoted_is_the_one_that_the_service_opens(store: Path):
    promote(store, "small-2")
    assert in_use(store) == "2"
    promote(store, "small-1")
    assert in_use(store) == "1"


def test_rolling_back_goes_the_way_back_that_promotions_came(store: Path):
    for name in ("small-1", "small-2", "small-1", "small-3"):
        promote(store, name)
    assert [rollback(store).current for _ in range(3)] == ["small-1", "small-2", "small-1"]
    with pytest.raises(CallerError, match="remembers no model before the one in use"):
        rollback(store)
    assert in_use(store) == "1"


def test_promoting_the_one_in_use_again_is_no_step_that_could_be_rolled_back(store: Path):
    promote(store, "small-1")
    promote(store, "small-2")
    assert promote(store, "small-2") == Promotion("small-2", ("small-1",))


def test_before_anything_is_promoted_the_statistical_rank_answers_and_the_service_says_what_to_do(
    store: Path, caplog: pytest.LogCaptureFixture
):
    settings = ModelSettings(name="promoted", store=store)
    assert build_model(settings) is None
    assert build_fusion(settings) == Fusion()
    told = "no model is promoted, so the statistical rank answers alone; run hypocenter-models promote NAME"
    assert caplog.messages == [f"promoted: {told}"]
    assert told in title(settings)


def test_a_model_in_use_that_was_taken_away_is_told(store: Path):
    promote(store, "small-1")
    shutil.rmtree(store / "small-1")
    with pytest.raises(SettingsError, match="small-1: is promoted and not there: run hypocenter-models rollback"):
        build_model(ModelSettings(name="promoted", store=store))


def test_a_model_of_the_store_is_opened_by_its_name(store: Path):
    model = build_model(ModelSettings(name="small-3", store=store))
    assert model is not None
    assert model.identity.version == "3"


def test_a_name_that_none_has_is_answered_with_what_there_is(store: Path):
    with pytest.raises(CallerError, match=r"has no model '\.\./small-1': it has small-1, small-2, small-3"):
        find(store, "../small-1")


def test_a_sound_model_is_told_with_its_first_move(store: Path):
    line = verify(store / "small-1").line()
    assert "small-1: ok" in line
    assert "first move " in line


def _cut(directory: Path) -> None:
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")


def _retokenized(directory: Path) -> None:
    file = directory / "tokenizer.json"
    file.write_text(file.read_text().replace('"c1"', '"c01"'))


def _said(name: str, value: str) -> Callable[[Path], None]:
    def change(directory: Path) -> None:
        file = directory / "manifest.toml"
        lines = [line for line in file.read_text().splitlines() if not line.startswith(f"{name} =")]
        file.write_text("\n".join([f'{name} = "{value}"', *lines]))

    return change


UNSOUND: list[tuple[Callable[[Path], None], str]] = [
    (_cut, r"the checksum of model\.safetensors is .*the model is damaged or was changed"),
    (_retokenized, "the checksum of all files together is .*damaged or was changed"),
    (lambda directory: (directory / "config.json").unlink(), r"config\.json is missing; a trained model has"),
    (_said("prompt_id", "0123"), "was made for prompt 0123 of rendering aliases, this service asks with"),
    (_said("tools_id", "0123"), "was made for tools 0123, this service offers"),
    (_said("rendering", "names"), "was made for prompt .* of rendering names"),
    (_said("engine", "telepathy"), "engine: Input should be"),
]


@pytest.mark.parametrize(("spoil", "line"), UNSOUND)
def test_what_is_not_sound_is_told_in_one_line_and_never_put_in_use(
    store: Path, spoil: Callable[[Path], None], line: str
):
    promote(store, "small-1")
    spoil(store / "small-2")
    for refused in (lambda: verify(store / "small-2"), lambda: promote(store, "small-2")):
        with pytest.raises(SettingsError, match=line) as error:
            refused()
        assert "\n" not in str(error.value)
    assert in_use(store) == "1"


def test_nobody_rolls_back_to_what_is_no_longer_sound(store: Path):
    promote(store, "small-1")
    promote(store, "small-2")
    _cut(store / "small-1")
    with pytest.raises(SettingsError, match="damaged or was changed"):
        rollback(store)
    assert in_use(store) == "2"


def test_a_card_may_be_mended_afterwards(store: Path):
    (store / "small-1" / "README.md").write_text("Now with a table.")
    assert verify(store / "small-1").move


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("current = ", "is no TOML"),
        ('current = "../elsewhere"', "current: String should match"),
        ('current = "a"\nnext = "b"', "next: Extra inputs are not permitted"),
    ],
)
def test_a_promotion_that_cannot_be_meant_is_one_line(store: Path, text: str, line: str):
    (store / FILE_NAME).write_text(text)
    with pytest.raises(SettingsError, match=line) as error:
        read_promotion(store)
    assert "\n" not in str(error.value)


def test_the_table_tells_which_is_in_use_and_what_cannot_be_read(store: Path):
    promote(store, "small-1")
    _said("engine", "telepathy")(store / "small-3")
    one, two, three = table(registered(store))[2:]
    assert one.startswith("| in use | small-1 | 1 | embedded | ")
    assert two.startswith("|  | small-2 | 2 | embedded | ")
    assert "cannot be read: " in three


def test_the_commands_say_what_they_did(store: Path, capsys: pytest.CaptureFixture[str]):
    def told(*arguments: str) -> tuple[int, str, str]:
        code = run([*arguments, "--store", str(store)], app, "hypocenter-models")
        said = capsys.readouterr()
        return code, said.out, said.err

    assert told("promote", "small-1") == (0, "small-1 is in use\n", "")
    assert told("promote", "small-2") == (0, "small-2 is in use; before it: small-1\n", "")
    assert told("rollback") == (0, "small-1 is in use again\n", "")
    code, out, err = told("verify")
    assert (code, out.count(": ok: "), err) == (0, 3, "")
    _cut(store / "small-2")
    code, out, err = told("verify")
    assert (code, out.count(": ok: "), err.count("\n")) == (2, 2, 1)
    code, out, err = told("promote", "large")
    assert (code, out) == (2, "")
    assert err.startswith("hypocenter-models: ")
    assert "in use | small-1" in told("list")[1]
