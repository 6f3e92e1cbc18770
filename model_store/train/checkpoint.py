"""Where a stage stands on disk, such that it goes on as if it had never stopped.

All chance in training is drawn anew from (seed, stage, step), so that the step is the position in the data and the
state of the random numbers at once; torch's own generator is kept beside it. Written aside and renamed: a run that is
killed while it writes has its last checkpoint.
"""

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model_store.train.learner import Learner
from model_store.train.network import Llama
from service.errors import CallerError

FORMAT = "hypocenter-checkpoint/2"


@dataclass(slots=True)
class Progress:
    """How far a stage has come: steps made, where the next lessons are (a shard, and how many steps of it were made),
    and the best that evaluations have seen (``best_step`` −1 before any).
    """

    step: int = 0
    shard: int = 0
    offset: int = 0
    best_step: int = -1
    best_score: float = -1.0
    tokens: int = 0
    seconds: float = 0.0
    done: bool = False
    recipe: dict[str, str] = field(default_factory=dict[str, str])


def save(path: Path, learner: Learner, progress: Progress) -> None:
    """Keep everything that going on needs."""
    _write(
        path,
        {
            "format": FORMAT,
            "network": learner.network.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in learner.optimizers],
            "updates": learner.updates,
            "random": torch.get_rng_state(),
            "progress": {name: getattr(progress, name) for name in Progress.__slots__},
        },
    )


def restore(path: Path, learner: Learner) -> Progress:
    """Bring a learner to where it was. Raises `CallerError` for a file that is no checkpoint, or of another network."""
    kept = _read(path)
    _load(learner.network, kept, path)
    for optimizer, state in zip(learner.optimizers, kept["optimizers"], strict=True):
        optimizer.load_state_dict(state)
    learner.updates = kept["updates"]
    torch.set_rng_state(kept["random"])
    return Progress(**kept["progress"])


def progress_at(path: Path) -> Progress | None:
    """How far the stage has come whose checkpoint this is; None where there is none yet."""
    return Progress(**_read(path)["progress"]) if path.exists() else None


def save_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Keep the weights alone."""
    _write(path, {"format": FORMAT, "network": dict(weights)})


def load_weights(path: Path, network: Llama) -> None:
    """Take the weights of a file that `save` or `save_weights` wrote."""
    _load(network, _read(path), path)


def _load(network: Llama, kept: Mapping[str, Any], path: Path) -> None:
    try:
        network.load_state_dict(kept["network"])
    except RuntimeError:
        raise CallerError(f"{path}: holds a network of another shape than the recipe and its vocabulary say") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CallerError(f"{path}: cannot be read ({error.strerror})") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError):
        raise CallerError(f"{path}: is no checkpoint of ours, or is damaged") from None
    if not isinstance(kept, dict) or kept.get("format") != FORMAT:
        raise CallerError(f"{path}: is no checkpoint of ours; this version reads {FORMAT}")
    return kept


def _write(path: Path, what: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".part")
    with aside.open("wb") as file:
        torch.save(what, file)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
