from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs torch, which make test installs")

from model_store.train.recipe import RECIPES, Recipe, read_recipe
from service.errors import CallerError
from tests.train.playing import words

SMOKE = (RECIPES / "smoke.toml").read_text()


def changed(tmp_path: Path, before: str, after: str) -> str:
    assert before in SMOKE
    file = tmp_path / "mine.toml"
    file.write_text(SMOKE.replace(before, after, 1))
    return str(file)


@pytest.mark.parametrize("name", ["smoke", "small", "full"])
def test_our_recipes_have_three_stages_after_priming_and_end_with_the_whole_grader(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.stage_names == ("sft", "format", "exploration", "rank")
    weights = recipe.stages[-1].pay.weights
    assert {"rank", "way", "made_up", "format"} <= weights.keys()
    assert recipe.network.heads * 64 == recipe.network.hidden
    assert recipe.network.shape(words().size).context == 2048


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("peak = 5e-3", "peek = 5e-3", "sft.rate.peak"),
        ("recall = 1.0", "recal = 1.0", "recal"),
        ("group = 3", "group = 1", "stages.0.group"),
        ("seed = 12", "seed = 11", "held back needs another"),
        ('name = "format"', 'name = "rank"', "two stages have one name"),
        ("[network]", "[network", "is no TOML"),
    ],
)
def test_a_recipe_that_cannot_be_meant_is_told_in_one_line(before: str, after: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(CallerError, match=told) as raised:
        read_recipe(changed(tmp_path, before, after))
    assert "\n" not in str(raised.value)


def test_a_recipe_that_is_not_there_is_told_which_there_are() -> None:
    with pytest.raises(CallerError, match="full, small, smoke"):
        read_recipe("huge")


def test_a_factor_of_the_grader_is_ablated_by_its_weight(tmp_path: Path) -> None:
    without = read_recipe(changed(tmp_path, "way = 0.2", "way = 0.0"))
    assert without.stages[-1].pay.pay().weights["way"] == 0.0
    assert _others(without) == _others(read_recipe("smoke"))


def _others(recipe: Recipe) -> dict[str, float]:
    return {part: weight for part, weight in recipe.stages[-1].pay.pay().weights.items() if part != "way"}
