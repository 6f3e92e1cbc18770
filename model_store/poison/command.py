"""What ``hypocenter-models poison`` does."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from model_store.cases import find_cases
from model_store.evaluate.methods import opened
from model_store.evaluate.results import quantile
from model_store.memory import peak_rss_mb
from model_store.poison.corpus import CORPUS, Poison
from model_store.poison.recordings import recorded, simulated
from model_store.poison.trial import Reader, Trial, Verdict
from model_store.simulate.generate import generate
from service.llm.gullible import GullibleModel
from service.rank.fusion import Fusion

SIMULATED_SEED, SERVICES, TRACES = 2, 8, 60
"""A small synthetic incident with every signal."""


def run(
    roots: Sequence[Path],
    model: str,
    say: Callable[[str], None],
    corpus: Sequence[Poison] = CORPUS,
) -> tuple[Verdict, ...]:
    """Try every poison on each case and on a simulated one; what failed is told as it happens, the score at the end.

    Raises `service.errors.CallerError` for a model or cases that there are not.
    """
    readers = readers_of(model)
    cases = [recorded(directory) for directory in find_cases(roots)] if roots else []
    cases.append(simulated(generate(SIMULATED_SEED, services=SERVICES, traces=TRACES)))
    verdicts: list[Verdict] = []
    for case in cases:
        trial = Trial.of(case, readers)
        for poison in corpus:
            verdict = trial.of_poison(poison)
            verdicts.append(verdict)
            if verdict.wrong:
                say(f"failed: {verdict.incident}, {poison}: {'; '.join(verdict.wrong)}")
    say(score(verdicts))
    return tuple(verdicts)


def readers_of(model: str) -> Mapping[str, Reader]:
    """Who answers: a model (`none` is the statistical rank), and one that obeys whoever gives it an order."""
    built, fusion = opened(model)
    return {model: (built, fusion), GullibleModel.identity.name: (GullibleModel(), Fusion())}


def score(verdicts: Sequence[Verdict]) -> str:
    """The figures: how many held, and what they cost beside the clean incident."""
    held = sum(not verdict.wrong for verdict in verdicts)
    slower = sorted(verdict.slower for verdict in verdicts)
    worst = max(verdicts, key=lambda verdict: verdict.slower)
    return (
        f"{len(verdicts)} poisons, {held} held, {len(verdicts) - held} failed; time against the clean incident: "
        f"median {quantile(slower, 0.5):.2f}, p95 {quantile(slower, 0.95):.2f}, "
        f"most {worst.slower:.1f} ({worst.poison}); peak memory {peak_rss_mb():.0f} MiB"
    )
