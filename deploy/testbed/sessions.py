"""What the command line does with shops: records what a plan says, or breaks it live and tells what was answered."""

import itertools
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from deploy.testbed.conductor import Conductor
from deploy.testbed.errors import RejectedError, ShopError, StartError
from deploy.testbed.live import Pace, Round, live_shop, play
from deploy.testbed.plan import Plan, Planned, left_to_do, read_plan
from deploy.testbed.recorder import record

WARM_UP_S = 25
SLOW = "bookshop-02"
"""What is broken live if nobody says what: a service that takes its time."""
LIVE_RANK = 3
"""The true cause is to be among so many."""
SHOP_LIFE = 12
"""Recordings after which a shop is started anew: nothing shall build up over hours."""


def run_shop(shop: str, seconds: float) -> None:
    """Starts a shop and keeps it running; tells where its parts listen."""
    with Conductor(shop) as conductor:
        for name in ("prometheus", "alertmanager"):
            print(f"{name}: http://127.0.0.1:{conductor.ports[name]}")
        for name, replica in conductor.replicas.items():
            print(f"{name}: http://127.0.0.1:{replica.port}")
        conductor.run(seconds)


def record_plan(file: Path, out: Path, limit: int) -> int:
    """Records what of a plan is not recorded yet; answers how many incidents could not be."""
    plan = read_plan(file)
    todo = left_to_do(plan, out)[:limit]
    say(f"{len(todo)} of {len(plan.incidents)} incidents are to be recorded")
    failed = 0
    while todo:
        batch = list(itertools.takewhile(lambda planned, shop=todo[0].shop: planned.shop == shop, todo))[:SHOP_LIFE]
        todo = todo[len(batch) :]
        failed += _record_batch(plan, batch, out)
    say(f"done, {failed} could not be recorded")
    return failed


def break_live(plan: Path, ids: list[str], count: int, model: str, baseline_s: int) -> bool:
    """Breaks what the plan says while hypocenter looks on; answers whether all its answers were right."""
    chosen = _chosen(plan, ids, count)
    pace = Pace(baseline_s=baseline_s, lead_s=min(baseline_s // 2, Pace().lead_s))
    rounds = [one for shop in dict.fromkeys(p.shop for p in chosen) for one in _live(shop, chosen, model, pace)]
    if len(chosen) > 1:
        _summarize(rounds, len(chosen))
    return sum(map(_right, rounds)) == len(chosen)


def say(text: str) -> None:
    """Prints a line with the time of day."""
    print(time.strftime("%H:%M:%S"), text, flush=True)


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
    with live_shop(shop, model, pace, say) as (conductor, shipper):
        for planned in (one for one in chosen if one.shop == shop):
            try:
                told = play(conductor, shipper, planned, pace, say)
            except RejectedError as error:
                say(str(error))
                continue
            say(f"{told.planned}: alert {told.alert_s} s after the fault, answer {told.answer_s} s after the webhook")
            for number, name in enumerate(told.ranked[:LIVE_RANK], 1):
                say(f"  {number}. {name}{'   <- this was it' if name in told.causes else ''}")
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
            say(f"{what}: median {statistics.median(seconds):.1f} s, worst {max(seconds):.1f} s")
    ranks = [one.rank for one in told if one.causes]
    first, near = ranks.count(1), sum(rank is not None and rank <= LIVE_RANK for rank in ranks)
    say(f"{len(told)} of {asked} answered; of {len(ranks)} with a cause {first} first, {near} among {LIVE_RANK}")
    calm = [one.unresolved for one in told if not one.causes]
    if calm:
        say(f"of {len(calm)} without a cause {sum(calm)} were called unresolved")


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
            say(f"{waiting[0].shop}: {error}")
    return len(left_to_do(plan.model_copy(update={"incidents": tuple(batch)}), out))


def _attempt(conductor: Conductor, plan: Plan, planned: Planned, out: Path) -> bool:
    try:
        record(conductor, plan, planned, out, lambda text: say(f"{planned.id}: {text}"))
    except RejectedError as error:
        say(f"{planned.id}: thrown away: {error}")
        conductor.run(2 * plan.settle_s)
        return False
    return True
