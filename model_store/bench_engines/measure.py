"""Measuring the candidates: each in a process of its own, so that one's memory and threads are not another's."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from model_store.bench_engines.candidates import CANDIDATES, OURS, Candidate
from model_store.bench_engines.writing import Write
from model_store.memory import peak_rss_mb
from service.errors import ModelError
from service.llm.embedded.weights import read_network

PROMPT = 300
"""Tokens of a frame."""

NEW = 15
"""Tokens of a long move."""

FRAMES = 8
REPEATS = 5
PATIENCE_S = 600


@dataclass(frozen=True, slots=True)
class Figures:
    """Tokens per second of the processor (of all its threads together), seconds until it could be asked first, the
    process's memory, and the tokens that it wrote.
    """

    prefill: float
    decode: float
    decode_batch: float
    load_s: float
    rss_mb: float
    written: list[list[int]]


def table(directory: Path, threads: int) -> Iterator[str]:
    """The candidates as a table in Markdown, a line as soon as it is known. Raises `SettingsError` for a directory
    that holds no model.
    """
    shape = read_network(directory).shape
    yield (
        f"{directory.name}: {shape.layers} layers of {shape.hidden}; prompts of {PROMPT} tokens, {NEW} new; "
        f"{threads} thread{'s' if threads > 1 else ''}; tokens per second of processor time, {REPEATS} repeats"
    )
    yield ""
    yield "| engine | prefill | decode ×1 | decode ×8 | load s | RSS MB | installs MB | mask per step | as ours |"
    yield "|---|---|---|---|---|---|---|---|---|"
    ours: list[list[int]] = []
    for candidate in CANDIDATES:
        if absent := candidate.absent():
            yield f"| {candidate.name} | not measured: pip install {' '.join(absent)} |" + " |" * 7
            continue
        try:
            found = _apart(candidate, directory, threads)
        except ModelError as error:
            yield f"| {candidate.name} | not measured: {error} |" + " |" * 7
            continue
        ours = found.written if candidate.name == OURS else ours
        yield (
            f"| {candidate.name} | {found.prefill:,.0f} | {found.decode:,.0f} | {found.decode_batch:,.0f} | "
            f"{found.load_s:.2f} | {found.rss_mb:.0f} | {candidate.install_mb:.0f} | {candidate.masks} | "
            f"{_agreement(found.written, ours)} |"
        )


def measure(candidate: Candidate, directory: Path, work: Path, threads: int) -> Figures:
    """One candidate, in this process; what it needs converted lies in ``work``."""
    started = time.perf_counter()
    write = candidate.load(directory, work, threads)
    prompts = _prompts(read_network(directory).shape.vocabulary)
    write(prompts[:1], 1)
    load_s = time.perf_counter() - started
    one, several = _decode(write, prompts[:1]), _decode(write, prompts)
    prefill = FRAMES * PROMPT / _seconds(lambda: write(prompts, 1))
    return Figures(prefill, one, several, load_s, peak_rss_mb(), write(prompts, NEW))


def _apart(candidate: Candidate, directory: Path, threads: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="hypocenter-engine-") as work:
        _run(candidate, "prepare", directory, work, threads)
        return Figures(**json.loads(_run(candidate, "measure", directory, work, threads)))


def _run(candidate: Candidate, what: str, directory: Path, work: str, threads: int) -> str:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    command = [sys.executable, "-m", __name__, what, candidate.name, str(directory), work, str(threads)]
    environment = os.environ | dict.fromkeys(names, str(threads))
    ended = subprocess.run(  # noqa: S603
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    if ended.returncode:
        said = (ended.stderr.strip() or f"exit code {ended.returncode}").splitlines()[-1]
        raise ModelError(f"could not {what}: {said}")
    return ended.stdout.strip().splitlines()[-1] if ended.stdout.strip() else ""


def _prompts(vocabulary: int) -> list[list[int]]:
    return np.random.default_rng(1).integers(0, vocabulary, (FRAMES, PROMPT)).tolist()


def _decode(write: Write, prompts: list[list[int]]) -> float:
    """Tokens per second, the first of each sequence left out: it belongs to the prompt. The middle of several, as a
    difference of two times may err to either side.
    """
    pairs = ((_once(lambda: write(prompts, 1 + NEW)), _once(lambda: write(prompts, 1))) for _ in range(REPEATS))
    return len(prompts) * NEW / max(statistics.median(whole - first for whole, first in pairs), 1e-9)


def _seconds(work: Callable[[], object]) -> float:
    """Of the processor, the least of several: what else the machine does only adds."""
    return min(_once(work) for _ in range(REPEATS))


def _once(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _agreement(written: list[list[int]], ours: list[list[int]]) -> str:
    """In how many sequences all tokens are ours."""
    return f"{sum(one == other for one, other in zip(written, ours, strict=False))} of {len(ours)}"


def _main(what: str, name: str, directory: str, work: str, threads: str) -> None:
    candidate = next(c for c in CANDIDATES if c.name == name)
    if what == "prepare":
        candidate.prepare(Path(directory), Path(work))
    else:
        print(json.dumps(asdict(measure(candidate, Path(directory), Path(work), int(threads)))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
