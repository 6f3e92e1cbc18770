"""All of it in one run, so that figures can be compared: on a machine that does other things too, only ratios count."""

import contextlib
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx

from model_store.bench_gateway.load import Report, Spec, sent
from model_store.bench_gateway.servers import PATIENCE_S, Running, bare_route, gateway, redis_server, workers

STORM_ALERTS, STORM_GROUPS = 10_000, 200


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done; the smallest is for a test."""

    rounds: int = 5
    groups: int = 400  # four webhooks each, in every round of every server
    storm_groups: int = STORM_GROUPS
    storm_alerts: int = STORM_ALERTS
    localizations: int = 40
    incidents: int = 2000  # in every one of five rounds
    starts: int = 3


def table(case: Path, size: Size, model: str) -> Iterator[str]:
    """A line at a time."""
    with _servers(case) as served:
        yield from _acknowledgements(served, size)
        for name in served:
            if name != BARE:
                yield _storm(name, served[name], size)
    yield from _localizations(case, size, model)
    yield from _memory(case, size)
    yield _starts(case, size)


BARE = "a bare route"


@contextlib.contextmanager
def _servers(case: Path) -> Generator[dict[str, Running]]:
    """The bare route and the gateway over each store that there is, at the same time: so that they can take turns."""
    with contextlib.ExitStack() as stack:
        places = [stack.enter_context(_directory()) for _ in range(4)]
        served = {BARE: stack.enter_context(bare_route(places[0]))}
        served["SQLite"] = stack.enter_context(gateway(places[1], case))
        if redis := stack.enter_context(redis_server(places[2])):
            served["Redis"] = stack.enter_context(gateway(places[3], case, redis))
        yield served


@dataclass(frozen=True, slots=True)
class _Turn:
    """One server's turn in a round: as fast as it goes, then at half that rate."""

    full: Report
    half: Report
    cpu_ms: float


def _turn(server: Running, first: int, groups: int) -> _Turn:
    began = server.cpu_s
    full = sent(Spec(server.port, "lives", first, groups))
    cpu_ms = 1000 * (server.cpu_s - began) / full.sent
    slow = Spec(server.port, "lives", first + groups, -(-groups // 4), connections=8, rate=full.per_s / 2)
    return _Turn(full, sent(slow), cpu_ms)


def _acknowledgements(served: dict[str, Running], size: Size) -> Iterator[str]:
    turns: dict[str, list[_Turn]] = {name: [] for name in served}
    for round_ in range(size.rounds + 1):
        for name, server in served.items():
            turns[name].append(_turn(server, 2 * size.groups * round_, size.groups))
    yield "| webhooks | acknowledged per s | of the bare route's | cpu ms | p50 ms at half load | p99 ms | refused |"
    yield "|---|---|---|---|---|---|---|"
    for name in served:
        yield _row(name, turns[name][1:], turns[BARE][1:])  # the first warms up


def _row(name: str, ours: Sequence[_Turn], bare: Sequence[_Turn]) -> str:
    """The ratio is that of each round's own, so that a busy moment weighs on both."""
    ratio = median(turn.full.per_s / beside.full.per_s for turn, beside in zip(ours, bare, strict=True))
    cells = (
        name,
        f"{median(turn.full.per_s for turn in ours):.0f}",
        f"{ratio:.2f}",
        f"{median(turn.cpu_ms for turn in ours):.2f}",
        f"{median(turn.half.p50_ms for turn in ours):.1f}",
        f"{median(turn.half.p99_ms for turn in ours):.1f}",
        str(sum(turn.full.refused + turn.half.refused for turn in ours)),
    )
    return f"| {' | '.join(cells)} |"


def _storm(name: str, server: Running, size: Size) -> str:
    before, first = _incidents(server), 10_000_000
    report = sent(Spec(server.port, "storm", first, size.storm_groups, size.storm_alerts))
    made = _incidents(server) - before
    return (
        f"storm, {name}: {size.storm_alerts} alerts in {size.storm_groups} groups, told in {report.sent} webhooks:"
        f" {report.seconds:.1f} s, {made} incidents, {report.refused} refused, p99 {report.p99_ms:.0f} ms"
    )


def _localizations(case: Path, size: Size, model: str) -> Iterator[str]:
    for count in (1, 2):
        with _directory() as directory, gateway(directory, case, model=model) as server:
            sent(Spec(server.port, "openings", 0, size.localizations, connections=4))
            with workers(directory, case, count, model=model):
                _until_done(server, 1)  # they have started
                began, done = time.perf_counter(), _done(server)
                _until_done(server, size.localizations)
                per_minute = 60 * (size.localizations - done) / (time.perf_counter() - began)
        yield f"localizations, model {model}, {count} worker{'s' * (count > 1)}: {per_minute:.0f} a minute"


def _memory(case: Path, size: Size) -> Iterator[str]:
    with _directory() as directory, gateway(directory, case) as server:
        seen = [server.rss_mb]
        for round_ in range(5):
            sent(Spec(server.port, "openings", round_ * size.incidents, size.incidents))
            seen.append(server.rss_mb)
    shown = ", ".join(f"{mb:.0f}" for mb in seen[1:])
    yield f"memory of a gateway: {seen[0]:.0f} MB at rest; after every {size.incidents} incidents: {shown} MB"


def _starts(case: Path, size: Size) -> str:
    took: list[float] = []
    for _ in range(size.starts):
        began = time.perf_counter()
        with _directory() as directory, gateway(directory, case):
            took.append(time.perf_counter() - began)
    return f"start to ready: {median(took):.1f} s"


def _incidents(server: Running) -> int:
    """How many the store has."""
    count, cursor = 0, ""
    while cursor is not None:
        asked = {"limit": 200, **({"cursor": cursor} if cursor else {})}
        page = httpx.get(f"{server.url}/v1/incidents", params=asked, timeout=PATIENCE_S).json()
        count, cursor = count + len(page["incidents"]), page["next_cursor"]
    return count


def _done(server: Running) -> int:
    page = httpx.get(f"{server.url}/v1/incidents", params={"limit": 200}, timeout=PATIENCE_S).json()
    return sum(ref["status"] == "done" for incident in page["incidents"] for ref in incident["localizations"])


def _until_done(server: Running, count: int) -> None:
    until = time.monotonic() + 10 * PATIENCE_S
    while _done(server) < count:
        if time.monotonic() > until:
            raise TimeoutError(f"{_done(server)} of {count} localizations are done")
        time.sleep(0.1)


@contextlib.contextmanager
def _directory() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="hypocenter-bench-") as made:
        yield Path(made)
