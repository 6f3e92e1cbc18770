"""Property tests with new examples: ``python -m tests.random_examples [--minutes M] [--seed N] [paths of tests]``.

`make test` tries the same examples every time. This one tries new ones, round after round, each with a seed of its own,
and prints how to repeat what it finds. Exit code 1 if a round failed.
"""

import argparse
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence

MINUTE_S = 60
TEST_LIMIT_S = 1800
ROUND = ("-m", "hypothesis", "--dist", "loadscope", "--hypothesis-profile=random", "--hypothesis-show-statistics")
EXAMPLES = re.compile(r"(?P<passing>\d+) passing, (?P<failing>\d+) failing, and (?P<invalid>\d+) invalid")
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


def run_round(seed: int, workers: str, paths: Sequence[str]) -> tuple[Counter[str], list[str], str]:
    """All property tests once: examples by how they ended, tests that failed, and what pytest printed."""
    options = [f"--hypothesis-seed={seed}", "-n", workers, f"--timeout={TEST_LIMIT_S}"]
    command = [sys.executable, "-m", "pytest", *ROUND, *options, *paths]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    examples: Counter[str] = Counter()
    for counts in EXAMPLES.finditer(ended.stdout):
        examples.update({outcome: int(count) for outcome, count in counts.groupdict().items()})
    failed = FAILED.findall(ended.stdout)
    if not failed and (ended.returncode or not examples):
        failed = [f"pytest ended with {ended.returncode} after {examples.total()} examples"]
    return examples, failed, ended.stdout + ended.stderr


def main() -> int:
    """Rounds until the time is over, one at least."""
    options = argparse.ArgumentParser(prog="python -m tests.random_examples")
    options.add_argument("--minutes", type=float, default=0, help="begin rounds for so long (default: one round)")
    options.add_argument("--seed", type=int, default=random.randrange(2**31), help="of the first round")
    options.add_argument("--workers", default="auto", help="processes that run tests")
    options.add_argument("paths", nargs="*")
    chosen = options.parse_args()
    until, seed = time.monotonic() + chosen.minutes * MINUTE_S, chosen.seed
    examples: Counter[str] = Counter()
    failures: list[tuple[str, int]] = []
    while True:
        tried, failed, printed = run_round(seed, chosen.workers, chosen.paths)
        examples += tried
        failures += [(test, seed) for test in failed]
        if failed:
            sys.stdout.write(printed)
        sys.stdout.write(f"seed {seed}: {tried.total():,} examples, {len(failed)} tests failed\n")
        sys.stdout.flush()
        if time.monotonic() >= until:
            break
        seed += 1
    sys.stdout.write(f"{seed - chosen.seed + 1} rounds, {examples.total():,} examples ({dict(examples)})\n")
    for test, with_seed in failures:
        again = f'python -m pytest "{test}" --hypothesis-profile=random --hypothesis-seed={with_seed}'
        sys.stdout.write(f"failed: {test}\n  again: {again}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
