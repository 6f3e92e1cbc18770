"""``hypocenter``: the command line."""

import asyncio
import errno
import importlib.metadata
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from service.domain.localization import RankedBy
from service.errors import CallerError, HypocenterError
from service.extras import need
from service.text import printable

if TYPE_CHECKING:
    from service.agent.localize import Outcome
    from service.app import Answered
    from service.domain.transcript import Frame, Step
    from service.wiring.asking import Asked

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

DEMO_SEED = "7"
SIMULATE_S = 120
TESTBED = Path("deploy") / "testbed"

cli = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Finds the root cause of a microservice failure, ranked and with evidence, from the alert that woke you.",
)


def _tell_version(asked: bool) -> None:
    if asked:
        print(f"hypocenter {importlib.metadata.version('hypocenter')}")
        raise typer.Exit


@cli.callback()
def prepare(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_tell_version)
    ] = False,
) -> None:
    """What every command needs."""
    from service.stores.columns import spare_memory

    spare_memory()


Case = Annotated[Path | None, typer.Option("--case", metavar="DIR", help="Telemetry comes from this recorded case.")]
Telemetry = Annotated[
    Path | None,
    typer.Option("--telemetry", metavar="DIR", help="Telemetry that exporters send (OTLP/HTTP) is kept there."),
]
Store = Annotated[
    str | None,
    typer.Option("--store", metavar="FILE|URL", help="The incident store: a file, or redis://host:port of a server."),
]
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", help='"none", "rules", "promoted", a model\'s directory, one on a server.'),
]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings as TOML.")]


@cli.command()
def serve(
    case: Case = None,
    telemetry: Telemetry = None,
    host: Annotated[str | None, typer.Option(help="Where to listen.")] = None,
    port: Annotated[int | None, typer.Option(help="Where to listen; 0 takes a free one.")] = None,
    store: Store = None,
    model: Model = None,
    config: Config = None,
) -> None:
    """Take alerts over HTTP and localize them."""
    from service.app import run_server
    from service.app import serve as serve_app

    options = {
        "case": ("--case", case),
        "telemetry.embedded": ("--telemetry", telemetry),
        "host": ("--host", host),
        "port": ("--port", port),
        "store": ("--store", store),
        "model.name": ("--model", model),
    }
    run_server(serve_app(config, options))


@cli.command()
def work(
    case: Case = None, telemetry: Telemetry = None, store: Store = None, model: Model = None, config: Config = None
) -> None:
    """Localize what waits in the store, without HTTP; any number of these may run beside a server."""
    from service.app import run_server
    from service.app import work as work_app

    options = {
        "case": ("--case", case),
        "telemetry.embedded": ("--telemetry", telemetry),
        "store": ("--store", store),
        "model.name": ("--model", model),
    }
    run_server(work_app(config, options))


@cli.command()
def token(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file of tokens (doors.tokens_file); made if need be.")
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who will use it; the audit log tells it by this name.")],
    scope: Annotated[list[str], typer.Option(metavar="SCOPE", help="ingest, read or operate; may be given again.")],
    tenant: Annotated[str, typer.Option(help='The tenant that it speaks for; "*" for any that a request names.')] = "",
) -> None:
    """Make a token and print it, this once. The file keeps its digest; a server that runs takes it up by itself.

    A token ends when its entry is taken out of the file.
    """
    from service.gateway.callers import Scope
    from service.gateway.tokens import add_token

    if unknown := [told for told in scope if told not in list(Scope)]:
        raise CallerError(f"--scope {unknown[0]}: should be one of {', '.join(Scope)}")
    print(add_token(file, name, [Scope(told) for told in scope], tenant))


@cli.command("check-config")
def check_config(case: Case = None, telemetry: Telemetry = None, model: Model = None, config: Config = None) -> None:
    """Ask each telemetry server that the settings name: what the last hour holds, and what is missing.

    Exit code 0 if all of them answer, 1 if one does not, 2 if the settings cannot be meant.
    """
    from service.app import check_config as examine

    options = {
        "case": ("--case", case),
        "telemetry.embedded": ("--telemetry", telemetry),
        "model.name": ("--model", model),
    }
    report = asyncio.run(examine(config, options))
    for line in report.lines:
        print(line)
    if not report.well:
        raise typer.Exit(FAILED)


@cli.command()
def localize(
    case_dir: Annotated[Path | None, typer.Argument(metavar="[CASE_DIR]", help="A recorded case (case/1).")] = None,
    service: Annotated[str | None, typer.Option(metavar="NAME", help="Or a service, by live telemetry.")] = None,
    alert: Annotated[Path | None, typer.Option(metavar="FILE", help="Or the body of an alert's webhook.")] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="When it is looked at (RFC 3339); else now.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="15m", help="How long before that the service may have been in trouble.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(metavar="NAME", help="Whose incident it is.")] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep all that was fetched there, as a case.")
    ] = None,
    telemetry: Telemetry = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON of the answer and nothing else.")] = False,
    model: Model = None,
    deadline: Annotated[float | None, typer.Option(metavar="S", help="Answer within so many seconds.")] = None,
    rank: Annotated[RankedBy | None, typer.Option(help="Which part orders the causes.")] = None,
    transcript: Annotated[Path | None, typer.Option(metavar="FILE", help="Save the transcript there.")] = None,
    print_transcript: Annotated[bool, typer.Option("--print-transcript", help="Print it too.")] = False,
    config: Config = None,
) -> None:
    """Localize an incident, recorded or live: the tree of frames as it grows, then the ranked causes with their
    evidence. Live telemetry comes from where the settings say.
    """
    from service.app import localize_asked, localize_case

    asked = _asked(case_dir, service, alert, at, since, tenant)
    options = {
        "telemetry.embedded": ("--telemetry", telemetry),
        "model.name": ("--model", model),
        "budget.deadline_s": ("--deadline", deadline),
        "rank": ("--rank", rank),
    }
    on_step = None if as_json else _print_step
    if case_dir is not None:
        answered = asyncio.run(localize_case(case_dir, config, options, on_step, save))
    else:
        answered = asyncio.run(localize_asked(asked, config, options, on_step, save))
    if transcript is not None:
        _save(answered.outcome, transcript)
    if as_json:
        _print_json(answered)
    else:
        _print_answer(answered, with_transcript=print_transcript)


def _asked(
    case_dir: Path | None,
    service: str | None,
    alert: Path | None,
    at: str | None,
    since: str | None,
    tenant: str | None,
) -> "Asked":
    from service.wiring.asking import Asked

    if [case_dir, service, alert].count(None) != 2:
        raise CallerError("localize needs one of these: CASE_DIR, --service NAME, --alert FILE")
    if case_dir is not None and (at is not None or since is not None):
        raise CallerError("--at and --since are for --service and --alert: a case has its own time")
    if case_dir is not None and tenant is not None:
        raise CallerError("--tenant is for --service and --alert: a case has its own telemetry")
    return Asked(service, alert, at, since, tenant or "")


@cli.command()
def demo(
    case_dir: Annotated[Path | None, typer.Argument(metavar="[CASE_DIR]", help="Else a synthetic incident.")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Start a real shop, break it, and localize it as its alert comes in.")
    ] = False,
) -> None:
    """Localize an incident and print the whole transcript; without a case, a synthetic one is made for it."""
    if live:
        if case_dir is not None:
            raise CallerError(f"--live breaks a shop of its own: it takes no case such as {case_dir}")
        raise typer.Exit(_live_demo())
    if case_dir is not None:
        localize(case_dir, print_transcript=True)
        return
    with tempfile.TemporaryDirectory(prefix="hypocenter-demo-") as temporary:
        made = _simulated(Path(temporary))
        print(f"A synthetic incident (seed {DEMO_SEED}):\n", flush=True)
        localize(made, print_transcript=True)


def _live_demo() -> int:
    """The testbed's live loop, in a process of its own: the service knows nothing of what it is tried on."""
    source = Path(__file__).resolve().parent.parent
    if not (source / TESTBED).is_dir():
        raise CallerError(f"--live needs {TESTBED}, which comes with the source and not with the package: run a clone")
    need("testbed", "--live")
    return subprocess.run([sys.executable, "-m", "deploy.testbed", "live"], cwd=source, check=False).returncode


def main() -> None:
    """Run the command. What the caller got wrong is one line on standard error and exit code 2, never a stack trace."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str], command: typer.Typer = cli, name: str = "hypocenter") -> int:
    """Run a command line and return its exit code."""
    if isinstance(out := cast("object", sys.stdout), io.TextIOWrapper):
        out.reconfigure(errors="backslashreplace")  # a terminal that knows no arrows gets no stack trace either
    try:
        code = command(arguments or ["--help"], prog_name=name, standalone_mode=False)
        print(end="", flush=True)
    except BrokenPipeError:  # whoever read has seen enough, say `head`
        _leave_output_alone()
        return OK
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except typer.TyperException as error:
        message = " ".join(error.format_message().replace("Value error, ", "").split())
        return _complain(name, printable(message), error.exit_code)
    except HypocenterError as error:
        return _complain(name, str(error), BAD_INPUT if isinstance(error, CallerError) else FAILED)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _leave_output_alone()
        return _complain(name, f"cannot go on writing: {error.strerror}", FAILED)
    return code if isinstance(code, int) else OK


def _leave_output_alone() -> None:
    """Let what is still to be written go nowhere, or the interpreter would complain when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(name: str, message: str, code: int) -> int:
    """Say on one line what is wrong; nothing where the command has said it itself."""
    if message:
        print(f"{name}: {message}", file=sys.stderr)
    return code


def _print_step(frame: "Frame", step: "Step") -> None:
    from service.agent.printing import step_line

    print(step_line(frame, step), flush=True)


def _print_json(answered: "Answered") -> None:
    from service.agent.document import localization_document

    case = answered.outcome.transcript.incident_id
    document = localization_document(answered.outcome, id=case, incident_id=case, links=answered.links)
    print(json.dumps(document, indent=2, ensure_ascii=False))


def _print_answer(answered: "Answered", *, with_transcript: bool) -> None:
    from service.agent.printing import answer_lines, transcript_lines

    outcome = answered.outcome
    if outcome.transcript.frames:
        print()
    if with_transcript:
        for line in transcript_lines(outcome.transcript):
            print(line)
        print()
    for line in answer_lines(outcome, answered.links):
        print(line)


def _save(outcome: "Outcome", file: Path) -> None:
    from service.agent.transcript_json import save

    try:
        save(outcome.transcript, file)
    except OSError as error:
        raise CallerError(f"transcript {file}: {error.strerror}") from None


def _simulated(directory: Path) -> Path:
    """A synthetic case made there, by a process of its own: the service knows nothing of where cases come from."""
    command = [sys.executable, "-m", "model_store", "simulate", str(directory), "--count", "1", "--seed", DEMO_SEED]
    made = subprocess.run(command, capture_output=True, text=True, timeout=SIMULATE_S, check=False)  # noqa: S603
    case = next(directory.rglob("case.json"), None)
    if made.returncode or case is None:
        raise HypocenterError(f"no synthetic incident could be made: {' '.join(made.stderr.split())[-300:]}")
    return case.parent


if __name__ == "__main__":
    main()
