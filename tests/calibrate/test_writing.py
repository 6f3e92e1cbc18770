import json
from pathlib import Path

from model_store.calibrate.command import Learned, write_numbers
from service.agent.models import fusion_of
from service.domain.localization import RankedBy
from service.llm.manifest import read_manifest
from service.rank.fusion import STATISTICAL, Weights

MANIFEST = """name = "m"
version = "1"
engine = "rules"
rendering = "aliases"
prompt_id = "p"

[fusion.model]
sharpness = 9.0
place = 9.0
support = 9.0
nothing = 9.0
resolved_from = 9.0
"""


def learned(number: float) -> Learned:
    return Learned(Weights(number, number, number, number, number), 1, 1.0, (), 0.0, 1.0, 0.0, 0.0, ())


def test_what_was_learned_is_what_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "manifest.toml").write_text(MANIFEST)
    parts = {part: learned(float(number)) for number, part in enumerate(RankedBy, start=1)}
    files = list(write_numbers(parts, tmp_path, tmp_path / "confidence.json"))
    assert [file.name for file in files] == ["manifest.toml", "confidence.json"]
    fusion = fusion_of(read_manifest(tmp_path))
    assert (fusion.model, fusion.fused) == (parts[RankedBy.MODEL].weights, parts[RankedBy.FUSED].weights)
    assert fusion.statistical == STATISTICAL, "one copy: a model's manifest says nothing of the statistical rank"
    assert Weights(**json.loads(files[1].read_bytes())) == parts[RankedBy.STATISTICAL].weights


def test_without_a_model_the_numbers_of_the_rank_are_written_alone(tmp_path: Path) -> None:
    file = tmp_path / "confidence.json"
    assert list(write_numbers({RankedBy.STATISTICAL: learned(2.0)}, None, file)) == [file]
