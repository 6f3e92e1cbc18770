"""Command line of the testbed: `run` a shop, or `record` what a plan says."""

import itertools
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from deploy.testbed.conductor import Conductor
from deploy.testbed.errors import RejectedError, ShopError, StartError
from deploy.testbed.live import HEALTHY_S, live_shop, play
from deploy.testbed.plan import Plan, Planned, left_to_do, read_plan
from deploy.testbed.processes import REPOSITORY
from deploy.testbed.recorder import record as record_incident
from deploy.testbed.shipping import ship as ship_choice
from service.errors import HypocenterError

WARM_UP_S = 25
OURS = Path(__file__).parent / "plans" / "all.toml"
SHIPPED = REPOSITORY / "tests" / "cases"
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
def live(
    plan: Path = OURS,
    incident: Annotated[list[str] | None, typer.Option(help="ids in the plan, all of one shop")] = None,
    model: Annotated[str, typer.Option(help="as hypocenter knows it: none, rules, a directory")] = "rules",
) -> None:
    """Starts a shop and a hypocenter, breaks what the plan says, and shows what hypocenter says of it."""
    wanted = incident or ["bookshop-02"]
    chosen = [planned for planned in read_plan(plan).incidents if planned.id in wanted]
    if len({planned.shop for planned in chosen}) != 1:
        raise ShopError(f"{plan}: {', '.join(wanted)}: are not incidents of one shop in it")
    named = 0
    with live_shop(chosen[0].shop, model, _say) as (conductor, shipper):
        conductor.run(WARM_UP_S, each=shipper.ship)
        for planned in chosen:
            conductor.run(HEALTHY_S, each=shipper.ship)
            told = play(conductor, shipper, planned, _say)
            named += told.rank is not None and told.rank <= LIVE_RANK
            _say(f"{told.planned}: alert {told.alert_s} s after the fault, answer {told.answer_s} s after the webhook")
            for number, name in enumerate(told.ranked[:LIVE_RANK], 1):
                _say(f"  {number}. {name}{'   <- this was it' if name in told.causes else ''}")
    raise typer.Exit(0 if named == sum(bool(planned.faults) for planned in chosen) else 1)


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
        raise SystemExit(f"testbed: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
