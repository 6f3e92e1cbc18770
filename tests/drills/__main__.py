"""Many drills, one after the other: ``python -m tests.drills [--runs 20] [--seed 1] [--webhooks 5000]``. Odd seeds are
held over a file, even ones over a Redis. Exit code 1 if anything was lost or doubled.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.drills.drill import Plan, run


def say(line: str) -> None:
    """On standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Hold them all."""
    options = argparse.ArgumentParser(prog="python -m tests.drills")
    options.add_argument("--runs", type=int, default=20)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--webhooks", type=int, default=5000)
    options.add_argument("--groups", type=int, default=60)
    options.add_argument("--kills", type=int, default=3)
    said = options.parse_args()
    lost = doubled = webhooks = alerts = localizations = 0
    for seed in range(said.seed, said.seed + said.runs):
        plan = Plan(seed, said.webhooks, said.groups, said.kills, on_redis=seed % 2 == 0)
        with tempfile.TemporaryDirectory(prefix="hypocenter-drill-") as directory:
            log, found = run(plan, Path(directory), say)
        say(f"  {found}")
        lost, doubled = lost + len(found.lost), doubled + len(found.doubled)
        webhooks, alerts = webhooks + log.webhooks, alerts + len(log.alerts)
        localizations += sum(found.localizations.values())
    say(f"{said.runs} drills: {webhooks} webhooks and {alerts} alerts acknowledged, {localizations} localizations")
    say(f"lost: {lost}, doubled: {doubled}")
    return 1 if lost or doubled else 0


if __name__ == "__main__":
    sys.exit(main())
