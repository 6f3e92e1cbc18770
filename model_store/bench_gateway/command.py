import tempfile
from pathlib import Path
from typing import Annotated

import typer


def bench_gateway(
    rounds: Annotated[int, typer.Option(min=1, help="Of webhooks, in turn with the bare route.")] = 5,
    webhooks: Annotated[int, typer.Option(min=40, help="Of every server in every round.")] = 1600,
    incidents: Annotated[int, typer.Option(min=5, help="After which memory is looked at, in five steps.")] = 10_000,
    model: Annotated[str, typer.Option(help='Of the localizations: "promoted", a directory, "none".')] = "promoted",
    services: Annotated[int, typer.Option(min=3, help="Of the synthetic system that is localized.")] = 20,
) -> None:
    """Durable acknowledgements of webhooks beside a route that only parses them, a storm, localizations of one worker
    and of two, memory, start to ready. With a file, and with a Redis where there is one.
    """
    from model_store.bench_gateway.measure import Size, table
    from model_store.cases import find_cases
    from model_store.simulate.batch import simulate

    with tempfile.TemporaryDirectory(prefix="hypocenter-bench-") as temporary:
        simulate(Path(temporary), 1, 1, services, "train")
        (case,) = find_cases([Path(temporary)])
        for line in table(case, Size(rounds, groups=webhooks // 4, incidents=incidents // 5), model):
            print(line, flush=True)
