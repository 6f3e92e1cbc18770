from pathlib import Path

import numpy as np

from model_store.simulate.families import TRAINING
from model_store.simulate.generate import generate

HEALTHY_SHARE = 0.1


def simulate(out_dir: Path, count: int, seed: int, services: int, family: str = TRAINING.name) -> None:
    """Writes ``count`` synthetic incidents of about that many services, each a case/1 directory below ``out_dir``;
    one in ten has nothing wrong. Incident i depends on ``seed`` and i only.

    Raises `service.errors.CaseError` if a directory is already there, `CallerError` for a family that there is not.
    """
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        case = generate(
            int(rng.integers(2**53)),
            services=max(1, round(services * float(rng.uniform(0.7, 1.3)))),
            healthy=bool(rng.random() < HEALTHY_SHARE),
            family=family,
        )
        case.write(out_dir / case.incident.id)
