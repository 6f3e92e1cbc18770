"""The suite in random order beside busy processes: ``python -m tests.stress [--seed N] [--busy 8] [pytest's options]``.

Prints the seed, with which the same order comes again, and how long it took. Exit code: pytest's.
"""

import argparse
import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Generator

SUITE = ("-m", "not slow", "--dist", "loadscope", "--no-loadscope-reorder")
TEST_LIMIT_S = 1800
"""A test may take far longer here than alone; the limit is only there so that nothing hangs."""
BUSY = (sys.executable, "-c", "while True: pass")


@contextlib.contextmanager
def busy_processes(count: int) -> Generator[None]:
    """So many processes that compute without end, until the block is left."""
    processes = [subprocess.Popen(BUSY) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main() -> int:
    """Run the suite once."""
    options = argparse.ArgumentParser(prog="python -m tests.stress")
    options.add_argument("--seed", type=int, default=random.randrange(2**32), help="of the order (default: by chance)")
    options.add_argument("--busy", type=int, default=8, help="processes that compute beside the suite")
    options.add_argument("--workers", default="8", help="processes that run tests")
    chosen, rest = options.parse_known_args()
    seed = f"--randomly-seed={chosen.seed}"
    command = [sys.executable, "-m", "pytest", "-p", "randomly", seed, "-n", chosen.workers, *SUITE]
    sys.stdout.write(f"seed {chosen.seed}, {chosen.busy} busy processes, {chosen.workers} test processes\n")
    sys.stdout.flush()
    began = time.monotonic()
    with busy_processes(chosen.busy):
        code = subprocess.run([*command, f"--timeout={TEST_LIMIT_S}", *rest], check=False).returncode
    outcome = "passed" if code == 0 else f"failed; again: make test-stress SEED={chosen.seed}"
    sys.stdout.write(f"seed {chosen.seed}: {outcome}, {(time.monotonic() - began) / 60:.1f} min\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
