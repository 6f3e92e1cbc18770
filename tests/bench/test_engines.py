"""That the engines which are compared do the same thing; how fast they are is for a command to say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")

from model_store.bench_engines import in_numpy, in_torch
from model_store.bench_engines.candidates import CANDIDATES, OURS, Candidate
from model_store.bench_engines.measure import measure, table
from model_store.train.export import Origin, export
from service.errors import SettingsError
from service.llm.embedded.network import Shape
from tests.llm.embedded.nets import config, weights
from tests.llm.embedded.talk import vocabulary

SHAPE = Shape(vocabulary().size, hidden=32, layers=2, heads=1, intermediate=48, context=512)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models") / "tiny"
    export(directory, config(SHAPE), weights(SHAPE), Origin("tiny", "1", "chance"))
    return directory


def test_all_write_the_same_tokens(directory: Path):
    prompts = np.random.default_rng(1).integers(0, SHAPE.vocabulary, (3, 40)).tolist()
    loaded = [load(directory, directory, 1) for load in (in_numpy.load, in_torch.load, in_torch.load_without_cache)]
    ours, *others = [write(prompts, 6) for write in loaded]
    assert [len(tokens) for tokens in ours] == [6, 6, 6]
    assert others == [ours, ours]


def test_what_one_call_wrote_does_not_reach_the_next(directory: Path):
    prompts = np.random.default_rng(1).integers(0, SHAPE.vocabulary, (3, 40)).tolist()
    write = in_numpy.load(directory, directory, 1)
    assert write(prompts, 4) == write(prompts, 4) == [tokens[:4] for tokens in write(prompts, 6)]


def test_a_measurement_tells_every_figure(directory: Path, tmp_path: Path):
    found = measure(next(c for c in CANDIDATES if c.name == OURS), directory, tmp_path, 1)
    assert min(found.prefill, found.decode, found.decode_batch, found.load_s, found.rss_mb) > 0
    assert len(found.written) == 8


def test_an_engine_that_is_not_there_or_fails_is_told_in_its_row(directory: Path, monkeypatch: pytest.MonkeyPatch):
    ours = next(c for c in CANDIDATES if c.name == OURS)
    absent = Candidate("of the future", "in_numpy", "load", ("no_such_engine",), "yes")
    failing = replace(ours, name="failing")  # the process that is started knows none of that name
    monkeypatch.setattr("model_store.bench_engines.measure.CANDIDATES", (ours, absent, failing))
    *_, first, second, third = table(directory, 1)
    assert first.startswith(f"| {OURS} | ")
    assert first.endswith("| 8 of 8 |")
    assert "not measured: pip install no_such_engine" in second
    assert "failing | not measured: could not prepare: " in third
    assert len({line.count("|") for line in (first, second, third)}) == 1


def test_a_directory_without_a_model_is_one_line(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"config\.json: cannot be read"):
        list(table(tmp_path, 1))
