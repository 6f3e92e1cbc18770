"""``hypocenter-models``: where a model comes from and how it is proven."""

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from model_store.bench_gateway.command import bench_gateway
from model_store.fit_rank.command import fit_rank
from service.__main__ import FAILED, run
from service.domain.localization import RankedBy
from service.errors import CallerError, CaseError, SettingsError
from service.extras import need
from service.llm.promoted import STORE

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Models: list, verify, promote. Cases: evaluate on them, make some. Refit the rank, measure what it costs.",
)

say = partial(print, flush=True)
app.command()(bench_gateway)
app.command()(fit_rank)


@app.callback()
def prepare() -> None:
    """What every command needs."""
    from service.stores.columns import spare_memory

    spare_memory()


Store = Annotated[Path, typer.Option("--store", metavar="DIR", help="The directory of models, each in its own.")]
ModelName = Annotated[str, typer.Argument(metavar="NAME", help="The name of its directory.")]
Roots = Annotated[list[Path], typer.Argument(metavar="CASES_DIR...", help="Directories with cases at any depth.")]


@app.command()
def evaluate(
    cases: Roots,
    rank: Annotated[RankedBy | None, typer.Option(help="The part whose figures the JSON reports on top.")] = None,
    model: Annotated[str, typer.Option(help='"rules", a model\'s directory, or "none".')] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many cases, the first ones.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures there.")] = None,
    baselines: Annotated[bool, typer.Option(help="Whether to run the trivial and published baselines too.")] = True,
    ablate: Annotated[bool, typer.Option("--ablate", help="Also the rank without, and with only, each kind.")] = False,
    permute_names: Annotated[bool, typer.Option("--permute-names", help="Rename all: nothing may change.")] = False,
    depth: Annotated[int | None, typer.Option(min=0, help="Of investigations; 0 is one linear conversation.")] = None,
    earlier: Annotated[Path | None, typer.Option(help="A --json of the same cases: compare with it pairwise.")] = None,
    move_alerts: Annotated[float, typer.Option(metavar="S", help="As if alerts had begun so much later.")] = 0.0,
) -> None:
    """Run every method over labelled cases and print a table per system, with 95 % intervals."""
    from model_store.evaluate.command import Wanted, run

    changed = (permute_names, depth, earlier, move_alerts)
    run(Wanted(cases, rank, model, limit, json_file, baselines, ablate, *changed), print)


@app.command()
def simulate(
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Where the cases go; made if it is not there.")],
    count: Annotated[int, typer.Option(min=1, help="How many cases.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same cases.")] = 1,
    services: Annotated[int, typer.Option(min=1, help="About how many services each system has.")] = 12,
    family: Annotated[str, typer.Option(help='"train", "field", or one that training never sees.')] = "train",
) -> None:
    """Make synthetic cases, labelled as such."""
    from model_store.simulate.batch import simulate as simulate_batch

    simulate_batch(out_dir, count, seed, services, family)
    print(f"{count} synthetic cases in {out_dir}")


@app.command()
def poison(
    cases: Annotated[
        list[Path] | None, typer.Argument(metavar="[CASES_DIR...]", help="Recorded cases, beside a simulated one.")
    ] = None,
    model: Annotated[str, typer.Option(help='Beside the gullible one: "rules", a directory, "none".')] = "promoted",
) -> None:
    """Put hostile text into incidents: what it may not change, and what it costs. Exit code 1 if anything changed."""
    from model_store.poison.command import run as try_poisons

    if any(verdict.wrong for verdict in try_poisons(cases or [], model, say)):
        raise typer.Exit(FAILED)


@app.command("bench-simulator")
def bench_simulator(
    count: Annotated[int, typer.Option(min=1, help="How many incidents.")] = 30,
    services: Annotated[int, typer.Option(min=1, help="How many services each system has.")] = 20,
    traces: Annotated[int, typer.Option(min=1, help="How many requests in the window.")] = 300,
) -> None:
    """Incidents that are simulated in a second of one core: tables alone, and with evidence."""
    from model_store.simulate.bench import measure as measure_simulator

    print(measure_simulator(count, services, traces).line())


@app.command()
def realism(
    cases: Roots,
    count: Annotated[int, typer.Option(min=10, help="How many incidents are simulated.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same incidents.")] = 11,
    out: Annotated[Path | None, typer.Option(help="Write the report and pictures there.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that compute evidence.")] = 1,
) -> None:
    """How well simulated incidents can be told from recorded ones by their evidence, and by what of it."""
    from model_store.realism.command import realism as compare

    compare(cases, count, seed, out, print, workers)


@app.command()
def pool(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the pool goes; made if it is not there.")],
    cases: Annotated[
        list[Path] | None, typer.Argument(metavar="[CASES_DIR...]", help="Labelled cases; else simulated incidents.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many simulated incidents.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same incidents.")] = 1,
    family: Annotated[list[str] | None, typer.Option(help="Of simulated systems and faults, in turn.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that simulate.")] = 2,
) -> None:
    """Fill a pool of incidents to train on: evidence computed once, no telemetry. Broken off, it is taken up again."""
    from model_store.cases import find_cases
    from model_store.train.filling import PoolPlan, fill_with_recorded, fill_with_simulated

    if cases:
        print(f"{len(fill_with_recorded(directory, find_cases(cases)))} recorded incidents in {directory}")
        return
    plan = PoolPlan(seed=seed, count=count, families=tuple(family or ["train"]))
    fill_with_simulated(directory, plan, workers, lambda done, of: print(f"{done} of {of}", flush=True))
    print(f"{count} simulated incidents in {directory}")


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="One of ours by name, or a .toml file.")],
    run_dir: Annotated[Path, typer.Option("--run", metavar="DIR", help="Where the run lives; goes on if begun.")],
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="The last stage to make.")] = None,
    pools: Annotated[Path | None, typer.Option(metavar="DIR", help="Where pools lie; else in the run.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of the processor.")] = 2,
) -> None:
    """Train a model stage by stage: the oracle's lessons, then GRPO. However it is stopped, it goes on from there."""
    need("train", "train")
    from model_store.train.recipe import read_recipe
    from model_store.train.run import POOLS, Run

    read = read_recipe(recipe)
    Run(read, run_dir, pools or run_dir / POOLS, threads, say).train(until)


@app.command()
def ablate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="One of ours by name, or a .toml file.")],
    run_dir: Annotated[Path, typer.Option("--run", metavar="DIR", help="A run that came to the stage's beginning.")],
    stage: Annotated[str, typer.Option(help="Which stage's reward is taken apart.")] = "rank",
    steps: Annotated[int | None, typer.Option(min=1, help="Of each variant; else as many as the stage has.")] = None,
    rate: Annotated[float | None, typer.Option(min=0, help="Peak of the learning rate; else the stage's.")] = None,
    pools: Annotated[Path | None, typer.Option(metavar="DIR", help="Where pools lie; else in the run.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of the processor.")] = 2,
) -> None:
    """What each part of a stage's reward is for: the stage again without it. Broken off, it goes on from there."""
    need("train", "ablate")
    from model_store.train.ablation import ablate as take_apart
    from model_store.train.ablation import table
    from model_store.train.recipe import read_recipe
    from model_store.train.run import POOLS, Run

    run = Run(read_recipe(recipe), run_dir, pools or run_dir / POOLS, threads, say)
    print(*table(take_apart(run, stage, steps, rate, say)), sep="\n")


@app.command()
def bench(
    cases: Annotated[list[Path] | None, typer.Argument(metavar="[CASES_DIR...]", help="Else synthetic cases.")] = None,
    services: Annotated[int, typer.Option(min=1, help="How many services a synthetic system has.")] = 50,
    count: Annotated[int, typer.Option(min=1, help="How many synthetic cases.")] = 10,
    model: Annotated[str, typer.Option(help='"promoted", "rules", a model\'s directory, or "none".')] = "none",
) -> None:
    """Seconds (p50, p95) and peak memory of whole localizations: evidence, rank and, if one is named, a model."""
    from model_store.bench import measure
    from model_store.cases import find_cases
    from model_store.evaluate.methods import opened

    if cases is not None and cases:
        print(measure(find_cases(cases), *opened(model)).line())
        return
    with tempfile.TemporaryDirectory(prefix="hypocenter-bench-") as temporary:
        # Made in a process of its own: what making them needs is not what localizing them needs.
        _simulate_apart(Path(temporary), count, services)
        print(f"synthetic, {services} services: {measure(find_cases([Path(temporary)]), *opened(model)).line()}")


@app.command("bench-store")
def bench_store(
    spans: Annotated[int, typer.Option(min=10_000, help="How many spans are taken in, of one hour.")] = 1_000_000,
) -> None:
    """Spans per second that the embedded store takes in, and seconds until it answers with ten minutes of them."""
    from model_store.bench_embedded import measure as measure_store

    with tempfile.TemporaryDirectory(prefix="hypocenter-bench-") as temporary:
        for line in measure_store(Path(temporary), spans).lines():
            print(line)


@app.command()
def replay(cases: Roots) -> None:
    """Whether recordings have the same first cause by a sample of their traces as by all: a table in Markdown."""
    from model_store.bench_adapters.replay import table as replays
    from model_store.cases import find_cases

    for line in replays(find_cases(cases)):
        print(line, flush=True)


@app.command("bench-adapters")
def bench_adapters(
    services: Annotated[
        list[int] | None, typer.Argument(min=3, metavar="[SERVICES...]", help="Of each system; else 20, 50 and 200.")
    ] = None,
) -> None:
    """Requests, bytes and seconds of an incident through the adapters, and their share of the whole answer's: a table
    in Markdown. Traces and logs come from servers of our own on this machine, metrics from a Prometheus, if it is here.
    """
    from model_store.bench_adapters.measure import table as costs

    for line in costs(services or (20, 50, 200)):
        print(line, flush=True)


@app.command("bench-engines")
def bench_engines(
    model_dir: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="A trained model's directory.")],
    threads: Annotated[int, typer.Option(min=1, help="How many threads an engine may use.")] = 1,
) -> None:
    """Engines for the small model, those that are installed, measured on one model: a table in Markdown."""
    from model_store.bench_engines.measure import table as engines

    for line in engines(model_dir, threads):
        print(line, flush=True)


@app.command()
def refit(
    cases: Roots,
    leave_one_system_out: Annotated[bool, typer.Option("--leave-one-system-out", help="There is no other way.")] = True,
) -> None:
    """What each constant of the statistical rank would become without one system's cases, and what that costs there."""
    from model_store.refit import leave_one_system_out as leave_out
    from model_store.refit import load

    if not leave_out(load(cases), print):
        raise CaseError(f"{', '.join(map(str, cases))}: cases of two systems or more are needed to leave one out")


@app.command()
def calibrate(
    incidents: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Pools, or directories with cases.")],
    model: Annotated[str, typer.Option(help='"rules", a model\'s directory, or "none".')] = "none",
    wrong: Annotated[float, typer.Option(min=0, max=1, help="Share of resolved answers that may be wrong.")] = 0.1,
    write: Annotated[bool, typer.Option("--write", help="Into the rank's data file and the model's manifest.")] = False,
) -> None:
    """What statistics and model are worth beside each other, and whether confidence means frequency."""
    from model_store.calibrate.command import calibrate as learn
    from model_store.calibrate.command import write_numbers
    from model_store.evaluate.methods import opened
    from service.llm.promoted import model_directory

    directory = model_directory(STORE, model) if write else None
    if write and directory is None and model != "none":
        raise CallerError(f"--write: {model} is no model with a directory whose manifest could be written")
    learned = learn(incidents, opened(model)[0], wrong, print)
    for file in write_numbers(learned, directory) if write else ():
        print(f"written to {file}")


@app.command("list")
def list_models(store: Store = STORE) -> None:
    """The models of the store: name, version, engine, size, which is in use, what they scored."""
    from model_store.registry import registered, table

    for line in table(registered(store)):
        print(line)


@app.command()
def verify(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Else every model of the store.")] = None,
    store: Store = STORE,
) -> None:
    """Whether a model's files are undamaged, fit this version's prompt and tools, load, and write a move."""
    from model_store.registry import find, names
    from model_store.registry import verify as verify_model

    faults = 0
    for directory in [find(store, name)] if name is not None else [store / each for each in names(store)]:
        try:
            print(verify_model(directory).line())
        except SettingsError as error:
            faults += 1
            print(f"{directory.name}: {error}", file=sys.stderr)
    if faults:
        raise typer.Exit(2)


@app.command()
def promote(name: ModelName, store: Store = STORE) -> None:
    """Put a model in use, verified first; the one before is remembered. Running services go on with theirs."""
    from model_store.registry import promote as promote_model

    promoted = promote_model(store, name)
    print(f"{promoted.current} is in use{_before(promoted.previous)}")


@app.command()
def rollback(store: Store = STORE) -> None:
    """Put the model back in use that was before."""
    from model_store.registry import rollback as roll_back

    promoted = roll_back(store)
    print(f"{promoted.current} is in use again{_before(promoted.previous)}")


def _before(previous: tuple[str, ...]) -> str:
    return f"; before it: {', '.join(previous)}" if previous else ""


def _simulate_apart(out_dir: Path, count: int, services: int) -> None:
    import subprocess

    command = [sys.executable, "-m", "model_store", "simulate", str(out_dir)]
    command += ["--count", str(count), "--services", str(services)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)  # noqa: S603


def main() -> None:
    """The command; bad input is one line on standard error and exit code 2."""
    sys.exit(run(sys.argv[1:], app, "hypocenter-models"))


if __name__ == "__main__":
    main()
