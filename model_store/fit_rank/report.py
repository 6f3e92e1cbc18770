"""What ``hypocenter-models fit-rank`` prints."""

from collections.abc import Iterator, Sequence
from math import exp
from pathlib import Path

from model_store.fit_rank.incidents import load, origins_of
from model_store.fit_rank.protocol import LEAST_GAIN, Outcome, is_better, leave_origins_out, mean_gain
from service.errors import CallerError

LEAST_ORIGINS = 3
"""One is left out, and one more of the rest, to choose by: at least one is left to learn from."""


def report(origins: Sequence[Path], simulated: Path | None, together: Sequence[str], variants: bool) -> Iterator[str]:
    """The table in Markdown, and the verdict. Raises `CallerError` for too few origins or a name that is none."""
    named = origins_of(origins)
    if len(named) < LEAST_ORIGINS:
        raise CallerError(f"{len(named)} origins are too few to leave two of them out: give {LEAST_ORIGINS} or more")
    if unknown := [name for name in together if name not in dict(named)]:
        known = ", ".join(dict(named))
        raise CallerError(f"--together {','.join(together)}: no origin is called {unknown[0]!r}; there are {known}")
    incidents = [one for name, directory in named for one in load(name, directory, variants)]
    beside = [] if simulated is None else list(load("simulated", simulated, variants=False))
    yield "| origin left out | incidents | unlearned AC@1, AC@3 | learned elsewhere | form, ridge | weights |"
    yield "| --- | --- | --- | --- | --- | --- |"
    outcomes: list[Outcome] = []
    for one in leave_origins_out(incidents, beside, dict.fromkeys(together, together)):
        outcomes.append(one)
        yield row(one)
    yield ""
    verdict = "learned" if is_better(outcomes) else "unlearned"
    yield (
        f"The {verdict} rank is the one to use: learned weights gain {mean_gain(outcomes):+.3f} AC@1 in the mean of "
        f"the origins (at least {LEAST_GAIN:g} is asked for, and none worse by more)."
    )


def row(one: Outcome) -> str:
    """A row of the table; of the weights those that are not 1."""
    moved = [(name, "" if traced else " (no traces)", value) for (traced, name), value in one.weights.items() if value]
    weights = ", ".join(f"{name}{where} {exp(value):.2f}" for name, where, value in moved)
    return (
        f"| {one.origin} | {one.incidents} | {one.unlearned[0]:.2f}, {one.unlearned[1]:.2f} | "
        f"{one.learned[0]:.2f}, {one.learned[1]:.2f} | {one.form}, {one.ridge:g} | {weights} |"
    )
