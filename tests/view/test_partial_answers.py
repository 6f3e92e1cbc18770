"""A store that shows a part of what there is: people are told, and like is compared with like."""

import pyarrow as pa

from service.domain.window import Window
from service.ports import Telemetry
from service.stores.partial import notes_of, with_notes
from tests.patience import open_patiently
from tests.telemetry_rows import WINDOW, incident, logs


class Sampled:
    """Every second of the window's quiet lines, every tenth of the baseline's."""

    async def logs(self, window: Window) -> pa.Table:
        rows = logs(*({"severity": "INFO", "time": window.start} for _ in range(100)))
        share = 0.5 if window == WINDOW else 0.1
        return with_notes(rows, [f"{share:.0%} of it"], {"quiet": share})


def test_what_is_missing_stands_in_the_notes_and_both_times_are_sampled_alike() -> None:
    view = open_patiently(incident(), Telemetry(logs=Sampled()))
    assert {"logs: 50% of it", "logs: its baseline: 10% of it"} <= set(view.notes)
    compared = view.tables.logs
    assert compared is not None
    assert compared.before is not None
    assert (compared.now.num_rows, compared.before.num_rows) == (20, 100)
    assert notes_of(compared.now) == ()


def test_without_a_baseline_the_marks_come_off_too() -> None:
    view = open_patiently(incident(baselines={}), Telemetry(logs=Sampled()))
    assert view.tables.logs is not None
    assert notes_of(view.tables.logs.now) == ()
