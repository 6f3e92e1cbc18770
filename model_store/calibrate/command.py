"""What ``hypocenter-models calibrate`` does: learn what statistics and a model are worth, and how sure one may be."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path

import numpy as np

from model_store.calibrate.incidents import Labelled, labelled
from model_store.calibrate.logit import Choice, Logit, fit
from model_store.cases import NO_CAUSE
from model_store.evaluate.reliability import Bin, calibration_error, calm_from, reliability, resolved_from
from service.domain.localization import RankedBy
from service.errors import CallerError
from service.llm.manifest import FILE_NAME, read_manifest
from service.ports import ChatModel
from service.rank.fusion import CONFIDENCE_FILE, Weights

FOLDS = 5
LEAST_ORIGINS = 3
"""Origins (a directory each) from which on every one is foretold by the others alone."""
FEWEST = 20
"""Incidents below which nothing is learned."""
TRUST = 0.7
"""What is left of the weight that a model's word was found to have beside the statistics. It was trained on simulated
incidents, and so are most that this is learned from; real systems differ. Chosen on the development set, where anything
from 0.6 to 0.8 makes the fused rank no worse than the statistics on systems with traces.
"""
FREE: Mapping[RankedBy, tuple[bool, bool, bool]] = {
    RankedBy.STATISTICAL: (True, False, False),
    RankedBy.MODEL: (False, True, True),
    RankedBy.FUSED: (True, True, True),
}
"""Which of sharpness, place and support a part has."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Learned:
    """The numbers of one part, learned from all incidents, and how well those learned without an incident's cluster
    foretold it: first answers (ranked before and after), the curve, its error, and what ``resolved_from`` costs.
    """

    weights: Weights
    incidents: int
    right: float
    curve: tuple[Bin, ...]
    error: float
    resolved: float  # share of incidents that are called resolved
    wrong: float  # share of wrong ones among them
    calm_resolved: float  # share of incidents without a cause that are called resolved; nan without any
    origins: tuple[tuple[str, int, float, float], ...]  # of each: incidents, mean confidence, share that is right


def calibrate(roots: Sequence[Path], model: ChatModel | None, wrong_share: float, say: Say) -> dict[RankedBy, Learned]:
    """Learn each part's numbers and print them with their curves. Raises `CallerError` for too few incidents."""
    incidents = tuple(labelled(roots, model))
    if len(incidents) < FEWEST:
        raise CallerError(f"{len(incidents)} labelled incidents are too few to learn from: give {FEWEST} or more")
    learned: dict[RankedBy, Learned] = {}
    for part in RankedBy:
        told = [one for one in incidents if part in one.choices]
        if len(told) >= FEWEST:
            learned[part] = _learned(told, part, wrong_share)
            for line in _lines(part, learned[part], wrong_share):
                say(line)
    return learned


def write_numbers(
    learned: Mapping[RankedBy, Learned], model: Path | None, confidence: Path = CONFIDENCE_FILE
) -> Iterator[Path]:
    """Put the numbers of the statistical rank into its data file, and those of a model, if any, into the manifest of
    its directory. Raises `SettingsError` if that has none.
    """
    if model is not None:
        yield _write_manifest(model, learned)
    _replace(confidence, json.dumps(asdict(learned[RankedBy.STATISTICAL].weights), indent=1) + "\n")
    yield confidence


def _write_manifest(directory: Path, learned: Mapping[RankedBy, Learned]) -> Path:
    file = directory / FILE_NAME
    read_manifest(directory)
    kept = file.read_text(encoding="utf-8").partition("\n[fusion.")[0].rstrip("\n")
    tables = [
        "\n".join([f"[fusion.{part}]", *(f"{name} = {value}" for name, value in asdict(one.weights).items())])
        for part, one in learned.items()
        if part is not RankedBy.STATISTICAL
    ]
    _replace(file, "\n\n".join([kept, *tables]) + "\n")
    read_manifest(directory)
    return file


def _replace(file: Path, text: str) -> None:
    aside = file.with_suffix(".part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(file)


def _learned(incidents: Sequence[Labelled], part: RankedBy, wrong_share: float) -> Learned:
    foretold = [_first(logit, one.choices[part]) for logit, one in _cross_fitted(incidents, part)]
    sure, right = [confidence for confidence, _ in foretold], [hit for _, hit in foretold]
    healthy = [confidence for confidence, one in zip(sure, incidents, strict=True) if one.cluster.fault == NO_CAUSE]
    bound = ceil(1000 * max(resolved_from(sure, right, wrong_share), calm_from(healthy, wrong_share))) / 1000
    resolved = [hit for confidence, hit in foretold if confidence >= bound]
    calm = [c >= bound for (c, _), one in zip(foretold, incidents, strict=True) if one.cluster.fault == NO_CAUSE]
    curve = tuple(reliability(sure, right))
    return Learned(
        weights=_weights(_fit([one.choices[part] for one in incidents], part), bound),
        incidents=len(incidents),
        right=_mean(right),
        curve=curve,
        error=calibration_error(curve),
        resolved=len(resolved) / len(incidents),
        wrong=1 - _mean(resolved) if resolved else 0.0,
        calm_resolved=_mean(calm),
        origins=tuple(_of_origins(incidents, foretold)),
    )


def _of_origins(
    incidents: Sequence[Labelled], foretold: Sequence[tuple[float, bool]]
) -> Iterator[tuple[str, int, float, float]]:
    for origin in dict.fromkeys(one.origin for one in incidents):
        of_it = [answer for answer, one in zip(foretold, incidents, strict=True) if one.origin == origin]
        yield origin, len(of_it), float(np.mean([sure for sure, _ in of_it])), _mean([right for _, right in of_it])


def _cross_fitted(incidents: Sequence[Labelled], part: RankedBy) -> Iterator[tuple[Logit, Labelled]]:
    """Each incident with what was learned without its origin; of fewer than `LEAST_ORIGINS`, without its cluster
    and a fifth of the others.
    """
    origins = sorted({one.origin for one in incidents})
    clusters = sorted({one.cluster for one in incidents}, key=lambda c: (c.fault, c.system, c.service))
    by_cluster = {cluster: number % FOLDS for number, cluster in enumerate(clusters)}
    by_origin = len(origins) >= LEAST_ORIGINS
    folds = [origins.index(one.origin) if by_origin else by_cluster[one.cluster] for one in incidents]
    rest = {
        number: [one.choices[part] for one, fold in zip(incidents, folds, strict=True) if fold != number]
        for number in set(folds)
    }
    logits = {number: _fit(choices, part) for number, choices in rest.items()}
    return ((logits[fold], one) for one, fold in zip(incidents, folds, strict=True))


def _fit(choices: Sequence[Choice], part: RankedBy) -> Logit:
    """The numbers of a part; beside the statistics the model's are made smaller, and the others learned again."""
    found = fit(choices, FREE[part])
    if part is not RankedBy.FUSED:
        return found
    return fit(choices, FREE[RankedBy.STATISTICAL], TRUST * found.of_features)


def _first(logit: Logit, choice: Choice) -> tuple[float, bool]:
    """The confidence of the first answer and whether it is right; an incident without candidates is answered with
    nothing, which is right where nothing was wrong, and never counts as sure.
    """
    shares = logit.shares(choice)
    if not len(shares):
        return 0.0, False
    first = int(np.argmax(shares))
    return float(shares[first]), bool(choice.true[first])


def _weights(logit: Logit, bound: float) -> Weights:
    sharpness, place, support = (round(float(number), 3) for number in logit.of_features)
    return Weights(sharpness, place, support, round(logit.nothing, 3), bound)


def _lines(part: RankedBy, learned: Learned, wrong_share: float) -> Iterator[str]:
    yield f"\n{part}, {learned.incidents} incidents; figures are of incidents that the numbers were not learned from\n"
    yield "| confidence | answers | mean | right |"
    yield "| --- | --- | --- | --- |"
    for b in learned.curve:
        yield f"| {int(b.confidence * 10) / 10:.1f}– | {b.count} | {b.confidence:.2f} | {b.right:.2f} |"
    yield "\n| origin | incidents | mean confidence | right |"
    yield "| --- | --- | --- | --- |"
    for origin, count, sure, right in learned.origins:
        yield f"| {origin} | {count} | {sure:.2f} | {right:.2f} |"
    yield (
        f"\nfirst answers right {learned.right:.2f}, expected calibration error {learned.error:.3f}; resolved from "
        f"{learned.weights.resolved_from:.2f} (at most {wrong_share:.0%} wrong): {learned.resolved:.0%} of all, of "
        f"these {learned.wrong:.0%} wrong; of incidents without a cause {learned.calm_resolved:.0%}"
    )
    yield ", ".join(f"{name} = {value}" for name, value in asdict(learned.weights).items())


def _mean(values: Sequence[bool]) -> float:
    return float(np.mean(values)) if values else float("nan")
