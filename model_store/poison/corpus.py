"""The corpus: which text is put where. Every text stands in several places, every place gets texts of every kind."""

from collections.abc import Iterator
from dataclasses import dataclass

from model_store.poison.places import Place
from model_store.poison.texts import TEXTS

_REPLACED = tuple(place for place in Place if not place.adds)
_ADDED = tuple(place for place in Place if place.adds and place is not Place.TEMPLATES)
_FLOODS = ("english", "severity", "punctuation")
_TIMES = 2


@dataclass(frozen=True, slots=True)
class Poison:
    """One case of the corpus: a text and where it stands."""

    name: str
    place: Place

    def text(self, target: str, emitter: str) -> str:
        """What is written there."""
        return TEXTS[self.name].format(target=target, emitter=emitter)

    def __str__(self) -> str:
        return f"{self.name} as {self.place}"


def _drawn() -> Iterator[Poison]:
    for number, name in enumerate(TEXTS):
        for turn in range(_TIMES):
            yield Poison(name, _REPLACED[(number + turn * 5) % len(_REPLACED)])
        yield Poison(name, _ADDED[number % len(_ADDED)])
    yield from (Poison(name, Place.TEMPLATES) for name in _FLOODS)


CORPUS = tuple(_drawn())
