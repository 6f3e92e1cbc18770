"""Command line of the testbed: `run` a shop, or `record` what a plan says."""

import itertools
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from deploy.testbed.archive import pack as pack_recordings
from deploy.testbed.archive import unpack as unpack_recordings
from deploy.testbed.conductor import Conductor
from deploy.testbed.errors import RejectedError, ShopError, StartError
from deploy.testbed.live import Pace, Round, live_shop, play
from deploy.testbed.plan import Plan, Planned, left_to_do, read_plan
from deploy.testbed.processes import REPOSITORY
from deploy.testbed.recorder import record as record_incident
from deploy.testbed.shipping import ship as ship_choice
from service.errors import HypocenterError

WARM_UP_S = 25
OURS = Path(__file__).parent / "plans" / "all.toml"
SHIPPED = REPOSITORY / "tests" / "cases"
ARCHIVE = Path(__file__).parent / "recordings.tar.xz"
SLOW = "bookshop-02"
"""What is broken live if nobody says what: a service that takes its time."""
LIVE_RANK = 3
"""The true cause is to be among so many."""
SHOP_LIFE = 12
"""Recordings after which a shop is started anew: nothing shall build up over hours."""

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)


@app.command()
def run(shop: str, seconds: Annotated[float, typer.Option(help="how long")] = 3600) -> None:
    """Starts a shop and keeps it running; tells where its parts listen."""
    with Conductor(shop) as conductor:
        for name in ("prometheus", "alertmanager"):
            print(f"{name}: http://127.0.0.1:{conductor.ports[name]}")
        for name, replica in conductor.replicas.items():
            print(f"{name}: http://127.0.0.1:{replica.port}")
        conductor.run(seconds)


@app.command()
def record(
    plan: Path,
    out: Annotated[Path, typer.Option(help="where the cases go; what lies there is not recorded again")],
    limit: Annotated[int, typer.Option(help="how many at most")] = 10_000,
) -> None:
    """Records all incidents of a plan, unattended; called again, it goes on where it was."""
    told = read_plan(plan)
    todo = left_to_do(told, out)[:limit]
    _say(f"{len(todo)} of {len(told.incidents)} incidents are to be recorded")
    failed = 0
    while todo:
        batch = list(itertools.takewhile(lambda planned, shop=todo[0].shop: planned.shop == shop, todo))[:SHOP_LIFE]
        todo = todo[len(batch) :]
        failed += _record_batch(told, batch, out)
    _say(f"done, {failed} could not be recorded")
    raise typer.Exit(1 if failed else 0)


@app.command()
def ship(recorded: Path, to: Annotated[Path, typer.Option(help="is replaced")] = SHIPPED) -> None:
    """Chooses a few recordings of every kind, small enough to go with the project."""
    chosen = ship_choice(recorded, to)
    for recording in chosen:
        _say(f"{recording.directory.name}: {', '.join(recording.faults)}, {recording.size // 1000} kB")
    _say(f"{len(chosen)} recordings, {sum(recording.size for recording in chosen) / 1e6:.1f} MB in {to}")


@app.command()
def pack(recorded: Path, to: Annotated[Path, typer.Option(help="is replaced")] = ARCHIVE) -> None:
    """Packs all recordings into one file, with the ids of traces and spans numbered."""
    count = pack_recordings(recorded, to)
    _say(f"{count} recordings, {to.stat().st_size / 1e6:.1f} MB in {to}")


@app.command()
def unpack(out: Path, archive: Path = ARCHIVE) -> None:
    """Lays out all recordings that an archive holds, as case directories."""
    _say(f"{unpack_recordings(archive, out)} recordings in {out}")


@app.command()
def live(
    plan: Path = OURS,
    incident: Annotated[list[str] | None, typer.Option(help="ids in the plan; else one that is slow")] = None,
    count: Annotated[int, typer.Option(help="instead of ids: so many, evenly over the plan")] = 0,
    model: Annotated[str, typer.Option(help="as hypocenter knows it: none, rules, a directory")] = "rules",
    baseline: Annotated[int, typer.Option(min=30, help="seconds that the shop is healthy for before each")] = 75,
) -> None:
    """Starts a shop and a hypocenter, breaks what the plan says, and shows what hypocenter says of it."""
    chosen = _chosen(plan, incident or [], count)
    pace = Pace(baseline_s=baseline, lead_s=min(baseline // 2, Pace().lead_s))
    told = [one for shop in dict.fromkeys(p.shop for p in chosen) for one in _live(shop, chosen, model, pace)]
    if len(chosen) > 1:
        _summarize(told, len(chosen))
    raise typer.Exit(0 if sum(map(_right, told)) == len(chosen) else 1)


def _chosen(file: Path, ids: list[str], count: int) -> list[Planned]:
    incidents = read_plan(file).incidents
    if count:
        return list(incidents[:: max(1, len(incidents) // count)][:count])
    known = {planned.id: planned for planned in incidents}
    if unknown := [one for one in ids if one not in known]:
        raise ShopError(f"{file}: has no incident '{unknown[0]}'; it has {incidents[0].id} to {incidents[-1].id}")
    return [known[one] for one in ids or [SLOW]]


def _live(shop: str, chosen: list[Planned], model: str, pace: Pace) -> Iterator[Round]:
    """What came of those that befall the shop; one without alert or answer is told and left out."""
    with live_shop(shop, model, pace, _say) as (conductor, shipper):
        for planned in (one for one in chosen if one.shop == shop):
            try:
                told = play(conductor, shipper, planned, pace, _say)
            except RejectedError as error:
                _say(str(error))
                continue
            _say(f"{told.planned}: alert {told.alert_s} s after the fault, answer {told.answer_s} s after the webhook")
            for number, name in enumerate(told.ranked[:LIVE_RANK], 1):
                _say(f"  {number}. {name}{'   <- this was it' if name in told.causes else ''}")
            yield told


def _right(told: Round) -> bool:
    return told.unresolved if not told.causes else told.rank is not None and told.rank <= LIVE_RANK


def _summarize(told: list[Round], asked: int) -> None:
    """Seconds (median, worst) and ranks over many rounds."""
    for what, seconds in (
        ("from the fault to the alert", [one.alert_s for one in told]),
        ("from the webhook to the answer", [one.answer_s for one in told]),
    ):
        if seconds:
            _say(f"{what}: median {statistics.median(seconds):.1f} s, worst {max(seconds):.1f} s")
    ranks = [one.rank for one in told if one.causes]
    first, near = ranks.count(1), sum(rank is not None and rank <= LIVE_RANK for rank in ranks)
    _say(f"{len(told)} of {asked} answered; of {len(ranks)} with a cause {first} first, {near} among {LIVE_RANK}")
    calm = [one.unresolved for one in told if not one.causes]
    if calm:
        _say(f"of {len(calm)} without a cause {sum(calm)} were called unresolved")


def _record_batch(plan: Plan, batch: list[Planned], out: Path) -> int:
    """Records incidents of one shop; a shop that breaks down is started again. Answers how many failed for good."""
    attempts = {planned.id: plan.attempts for planned in batch}
    while waiting := [p for p in batch if attempts[p.id] > 0]:
        try:
            with Conductor(waiting[0].shop) as conductor:
                conductor.run(WARM_UP_S)
                for planned in waiting:
                    attempts[planned.id] -= 1
                    if _attempt(conductor, plan, planned, out):
                        attempts[planned.id] = 0
        except StartError as error:
            attempts[waiting[0].id] -= 1
            _say(f"{waiting[0].shop}: {error}")
    return len(left_to_do(plan.model_copy(update={"incidents": tuple(batch)}), out))


def _attempt(conductor: Conductor, plan: Plan, planned: Planned, out: Path) -> bool:
    try:
        record_incident(conductor, plan, planned, out, lambda text: _say(f"{planned.id}: {text}"))
    except RejectedError as error:
        _say(f"{planned.id}: thrown away: {error}")
        conductor.run(2 * plan.settle_s)
        return False
    return True


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)


def _ended(number: int, _: FrameType | None) -> Any:
    raise KeyboardInterrupt(f"signal {number}")


def main() -> None:
    """Runs the command line; what goes wrong on purpose is one line and exit code 2."""
    signal.signal(signal.SIGTERM, _ended)
    try:
        app(standalone_mode=False)
    except typer.Exit as done:
        raise SystemExit(done.exit_code) from None
    except HypocenterError as error:
        print(f"testbed: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
