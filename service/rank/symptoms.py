"""What speaks against each component, by channel and by feature."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from service.domain.evidence import Evidence
from service.rank.channels import CHANNELS, Channel
from service.rank.features import Feature


@dataclass(slots=True)
class Symptoms:
    """The largest effect of each channel and feature of one component, and the rows of each feature, worst first.

    ``changed`` is how near the onset it was changed, 0 (an hour before, or not at all) to 1.
    """

    channels: dict[Channel, float] = field(default_factory=dict[Channel, float])
    features: dict[Feature, float] = field(default_factory=dict[Feature, float])
    rows: dict[Feature, list[Evidence]] = field(default_factory=lambda: defaultdict[Feature, list[Evidence]](list))
    changed: float = 0.0

    def add(self, feature: Feature, effect: float, row: Evidence) -> None:
        """Count a row."""
        rows = self.rows[feature]
        if effect > self.features.get(feature, 0.0):
            self.features[feature] = effect
            rows.insert(0, row)
        else:
            rows.append(row)
        if (channel := CHANNELS.get(feature)) is not None:
            self.channels[channel] = max(effect, self.channels.get(channel, 0.0))


def total(effects: Iterable[float], power: float) -> float:
    """Several effects as one: the root of the sum of their powers."""
    return sum(effect**power for effect in effects) ** (1 / power)


def of_channels(symptoms: Symptoms, channels: Collection[Channel], power: float) -> float:
    """The effects of these channels as one."""
    return total((effect for channel, effect in symptoms.channels.items() if channel in channels), power)


def worst(rows: Iterable[Evidence], limit: int) -> tuple[Evidence, ...]:
    """The rows of the largest effects, each subject once."""
    distinct = {(row.kind, row.component, row.subject): row for row in sorted(rows, key=lambda r: r.effect)}
    return tuple(sorted(distinct.values(), key=lambda r: -r.effect)[:limit])
