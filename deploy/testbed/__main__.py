"""Command line of the testbed: `run` a shop, or `record` what a plan says."""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from deploy.testbed import REPOSITORY
from deploy.testbed.archive import pack as pack_recordings
from deploy.testbed.archive import unpack as unpack_recordings
from deploy.testbed.shipping import ship as ship_choice
from service.__main__ import run as run_command
from service.extras import need

OURS = Path(__file__).parent / "plans" / "all.toml"
SHIPPED = REPOSITORY / "tests" / "cases"
ARCHIVE = Path(__file__).parent / "recordings.tar.xz"

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)


@app.command()
def run(shop: str, seconds: Annotated[float, typer.Option(help="how long")] = 3600) -> None:
    """Starts a shop and keeps it running; tells where its parts listen."""
    need("testbed", "run")
    from deploy.testbed.sessions import run_shop

    run_shop(shop, seconds)


@app.command()
def record(
    plan: Path,
    out: Annotated[Path, typer.Option(help="where the cases go; what lies there is not recorded again")],
    limit: Annotated[int, typer.Option(help="how many at most")] = 10_000,
) -> None:
    """Records all incidents of a plan, unattended; called again, it goes on where it was."""
    need("testbed", "record")
    from deploy.testbed.sessions import record_plan

    raise typer.Exit(1 if record_plan(plan, out, limit) else 0)


@app.command()
def ship(recorded: Path, to: Annotated[Path, typer.Option(help="is replaced")] = SHIPPED) -> None:
    """Chooses a few recordings of every kind, small enough to go with the project."""
    chosen = ship_choice(recorded, to)
    for recording in chosen:
        print(f"{recording.directory.name}: {', '.join(recording.faults)}, {recording.size // 1000} kB")
    print(f"{len(chosen)} recordings, {sum(recording.size for recording in chosen) / 1e6:.1f} MB in {to}")


@app.command()
def pack(recorded: Path, to: Annotated[Path, typer.Option(help="is replaced")] = ARCHIVE) -> None:
    """Packs all recordings into one file, with the ids of traces and spans numbered."""
    count = pack_recordings(recorded, to)
    print(f"{count} recordings, {to.stat().st_size / 1e6:.1f} MB in {to}")


@app.command()
def unpack(out: Path, archive: Path = ARCHIVE) -> None:
    """Lays out all recordings that an archive holds, as case directories."""
    print(f"{unpack_recordings(archive, out)} recordings in {out}")


@app.command()
def live(
    plan: Path = OURS,
    incident: Annotated[list[str] | None, typer.Option(help="ids in the plan; else one that is slow")] = None,
    count: Annotated[int, typer.Option(help="instead of ids: so many, evenly over the plan")] = 0,
    model: Annotated[str, typer.Option(help="as hypocenter knows it: none, rules, a directory")] = "rules",
    baseline: Annotated[int, typer.Option(min=30, help="seconds that the shop is healthy for before each")] = 75,
) -> None:
    """Starts a shop and a hypocenter, breaks what the plan says, and shows what hypocenter says of it."""
    need("testbed", "live")
    from deploy.testbed.sessions import break_live

    raise typer.Exit(0 if break_live(plan, incident or [], count, model, baseline) else 1)


def _ended(number: int, _: FrameType | None) -> Any:
    raise KeyboardInterrupt(f"signal {number}")


def main() -> None:
    """Runs the command line; what the caller got wrong is one line and exit code 2."""
    signal.signal(signal.SIGTERM, _ended)
    sys.exit(run_command(sys.argv[1:], app, "testbed"))


if __name__ == "__main__":
    main()
