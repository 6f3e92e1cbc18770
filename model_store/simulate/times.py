"""When things happen in an incident: what is under suspicion, what is held for healthy, how often samples are taken."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from model_store.simulate.workload import Floats
from service.domain.window import Window

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US


@dataclass(frozen=True, slots=True)
class Times:
    """µs count from the window's start, where the epoch's ``zero_us`` lies.

    ``before_us`` is when the stretch begins of which spans and lines are compared, ``metrics_before_us`` that of
    series; ``step_us`` lies between two samples.
    """

    zero_us: int
    window_us: int
    onset_us: int
    alert_us: int
    before_us: int
    before_length_us: int
    metrics_before_us: int
    metrics_length_us: int
    step_us: int

    def window(self, start_us: int, length_us: int) -> Window:
        """A stretch of time as the domain knows it."""
        start = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=self.zero_us + start_us)
        return Window(start, start + timedelta(microseconds=length_us))

    def samples(self, rng: np.random.Generator) -> Floats:
        """When samples are taken, in the baseline of series and in the window."""
        phase = float(rng.integers(self.step_us))
        before = self.metrics_before_us + phase + np.arange(0, self.metrics_length_us - phase, self.step_us)
        return np.sort(np.concatenate([before, phase + np.arange(0, self.window_us - phase, self.step_us)]))

    def conditions(self) -> list[str]:
        """Where the baseline lies and how far apart samples are, in words."""
        hours = -self.before_us - self.before_length_us >= 60 * MINUTE_US
        place = "hours before" if hours else "close by"
        place = "of one minute" if self.before_length_us == MINUTE_US else place
        return [f"baseline {place}", f"a sample in {self.step_us // SECOND_US} s"]


def random_times(rng: np.random.Generator) -> Times:
    """Short, usual or long: seconds on a testbed, minutes and an hour in a live system, an hour and a day where
    samples are rare.
    """
    zero_us = _zero_us(rng)
    kind = str(rng.choice(["short", "usual", "long", "rare"], p=[0.5, 0.3, 0.14, 0.06]))
    return {"short": _short, "usual": _usual, "long": _long, "rare": _rare}[kind](rng, zero_us)


_MINUTES = {1: (1.5, 4.0), 5: (2.0, 5.0), 15: (4.0, 10.0), 60: (8.0, 15.0), 300: (25.0, 60.0)}
"""How long a window is where samples lie so many seconds apart."""
_AWAY_US = {"close": (1.0, 2.0), "hours": (60.0 * MINUTE_US, 1_800.0 * MINUTE_US), "minute": (1.0, 10.0 * MINUTE_US)}
"""How far before the window a baseline ends."""


def field_times(rng: np.random.Generator) -> Times:
    """As installations have it: a sample a second, a minute or five minutes; a baseline that ends where the window
    begins, one that ends hours before, or one of a single minute.
    """
    zero_us = _zero_us(rng)
    place = str(rng.choice(list(_AWAY_US), p=[0.4, 0.35, 0.25]))
    # A minute has to hold a few samples to be a baseline of series at all.
    step_s = int(rng.choice([1, 5, 15] if place == "minute" else [1, 15, 60, 300]))
    window_us = int(rng.uniform(*_MINUTES[step_s]) * MINUTE_US)
    alert_us = int(window_us * rng.uniform(0.75, 0.95))
    length_us = MINUTE_US if place == "minute" else int(window_us * rng.uniform(0.8, 1.4))
    series_us = MINUTE_US if place == "minute" else max(length_us, min(60 * step_s * SECOND_US, 240 * MINUTE_US))
    end_us = -int(rng.uniform(*_AWAY_US[place]))
    return Times(
        zero_us=zero_us,
        window_us=window_us,
        onset_us=alert_us - int(window_us * rng.uniform(0.25, 0.45)),
        alert_us=alert_us,
        before_us=end_us - length_us,
        before_length_us=length_us,
        metrics_before_us=end_us - series_us,
        metrics_length_us=series_us,
        step_us=step_s * SECOND_US,
    )


def _zero_us(rng: np.random.Generator) -> int:
    """A second of some day, counted from the epoch."""
    zero = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(rng.integers(300 * 86_400_000)))
    return int(zero.timestamp()) * SECOND_US


def _short(rng: np.random.Generator, zero_us: int) -> Times:
    onset_us = int(rng.uniform(4, 20) * SECOND_US)
    alert_us = onset_us + int(rng.uniform(4, 25) * SECOND_US)
    window_us = alert_us + int(rng.uniform(6, 20) * SECOND_US)
    length_us = int(rng.uniform(40, 90) * SECOND_US)
    step_us = int(rng.choice([2, 3, 5, 5, 5, 5, 8])) * SECOND_US
    return Times(zero_us, window_us, onset_us, alert_us, -length_us, length_us - 1, -length_us, length_us - 1, step_us)


def _usual(rng: np.random.Generator, zero_us: int) -> Times:
    alert_us = int(rng.uniform(4, 10) * MINUTE_US)
    onset_us = alert_us - int(rng.uniform(0.3, 0.6) * alert_us)
    window_us = alert_us + int(rng.uniform(0.3, 2) * MINUTE_US)
    length_us = int(rng.uniform(0.8, 1.4) * window_us)
    step_us = int(rng.choice([10, 15, 30, 60])) * SECOND_US
    series_us = max(length_us, min(int(rng.uniform(15, 45) * MINUTE_US), 60 * step_us))
    return Times(zero_us, window_us, onset_us, alert_us, -length_us, length_us - 1, -series_us, series_us - 1, step_us)


def _long(rng: np.random.Generator, zero_us: int) -> Times:
    """A baseline that lies apart, before the window or after it."""
    window_us, alert_us = 12 * MINUTE_US, 10 * MINUTE_US
    length_us, away_us = int(rng.uniform(8, 16) * MINUTE_US), int(rng.uniform(20, 60) * MINUTE_US)
    before = rng.random() < 0.7
    return Times(
        zero_us=zero_us,
        window_us=window_us,
        onset_us=alert_us - int(rng.uniform(1, 4) * MINUTE_US),
        alert_us=alert_us,
        before_us=-away_us - length_us if before else window_us + away_us,
        before_length_us=length_us,
        metrics_before_us=-30 * MINUTE_US if before else window_us + away_us,
        metrics_length_us=int(rng.uniform(10, 30) * MINUTE_US) - 1,
        step_us=MINUTE_US,
    )


def _rare(rng: np.random.Generator, zero_us: int) -> Times:
    """A sample every five minutes."""
    alert_us = int(rng.uniform(25, 50) * MINUTE_US)
    onset_us = alert_us - int(rng.uniform(8, 20) * MINUTE_US)
    window_us = alert_us + int(rng.uniform(5, 20) * MINUTE_US)
    length_us = window_us
    series_us = int(rng.uniform(120, 400) * MINUTE_US)
    step_us = 5 * MINUTE_US
    return Times(zero_us, window_us, onset_us, alert_us, -length_us, length_us - 1, -series_us, series_us - 1, step_us)
