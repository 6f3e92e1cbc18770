"""Ends the process groups that it was told of when whoever told it is gone: nothing is left running."""

import contextlib
import os
import signal
import sys


def main() -> None:
    """Reads ``+pid`` and ``-pid`` lines until the other end closes, for whatever reason."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        number = int(line[1:])
        groups.add(number) if line[0] == "+" else groups.discard(number)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
