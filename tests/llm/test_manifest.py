from pathlib import Path

import pytest

from service.domain.localization import ModelIdentity
from service.errors import SettingsError
from service.llm.manifest import read_manifest

GOOD = 'name = "tiny"\nversion = "3"\nengine = "openai"\nrendering = "aliases"\nprompt_id = "abc"\nsha256 = "00"\n'


def manifest(directory: Path, text: str):
    (directory / "manifest.toml").write_text(text, encoding="utf-8")
    return read_manifest(directory)


def test_a_manifest_says_what_a_model_is(tmp_path: Path):
    read = manifest(tmp_path, GOOD)
    assert read.identity == ModelIdentity("tiny", "3", "00")
    assert (read.engine, read.rendering) == ("openai", "aliases")
    read.check_prompt({"aliases": "abc"})


def test_a_model_made_for_other_words_is_refused(tmp_path: Path):
    with pytest.raises(SettingsError, match="tiny 3 was made for prompt abc of rendering aliases, this service asks"):
        manifest(tmp_path, GOOD).check_prompt({"aliases": "xyz"})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name = ", "is no TOML"),
        ('name = "tiny"', "version: Field required"),
        (GOOD.replace("openai", "telepathy"), "engine: Input should be 'rules', 'openai' or 'embedded'"),
        (GOOD + "temperature = 1\n", "temperature: Extra inputs are not permitted"),
    ],
)
def test_a_manifest_that_cannot_be_meant_is_one_line(tmp_path: Path, text: str, line: str):
    with pytest.raises(SettingsError, match=line) as error:
        manifest(tmp_path, text)
    assert "\n" not in str(error.value)


def test_a_directory_without_a_manifest_is_told(tmp_path: Path):
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        read_manifest(tmp_path)
