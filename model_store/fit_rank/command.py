from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer


def fit_rank(
    origins: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Recorded cases, a directory per origin.")],
    simulated: Annotated[Path | None, typer.Option(help="Simulated cases, which count a fifth at most.")] = None,
    together: Annotated[str, typer.Option(help="Origins that are left out together: NAME,NAME.")] = "",
    variants: Annotated[bool, typer.Option(help="Learn from cases without each of their signals, too.")] = False,
) -> None:
    """Whether weights learned elsewhere rank better than none: every origin is left out whole, and scored once."""
    from model_store.fit_rank.report import report

    for line in report(origins, simulated, _names(together), variants):
        print(line, flush=True)


def _names(together: str) -> Sequence[str]:
    return tuple(name.strip() for name in together.split(",") if name.strip())
