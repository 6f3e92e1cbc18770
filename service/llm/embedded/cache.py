"""Keys and values of conversations that may go on: the longest known beginning of a prompt is not computed again."""

from dataclasses import dataclass

import numpy as np

from service.llm.embedded.network import Ids, Past


@dataclass(frozen=True, slots=True)
class _Kept:
    ids: Ids  # the tokens whose keys and values the past holds
    past: Past


class PrefixCache:
    """Pasts by the prompt that they answered. Taking one removes it: a past belongs to one conversation at a time.

    ``mark`` is the token with which prompts end. It holds at most ``limit`` bytes; the oldest go first.
    """

    def __init__(self, mark: int, limit: int) -> None:
        self._mark = mark
        self._limit = limit
        self._kept: dict[bytes, list[_Kept]] = {}
        self.bytes = 0

    def take(self, prompt: Ids) -> Past | None:
        """A past of as much of the prompt's beginning as is known, shortened to it, but never of the whole prompt: its
        last token has to be fed to be answered. None where nothing is known.
        """
        for end in np.flatnonzero(prompt == self._mark)[::-1] + 1:
            if same := self._kept.get(prompt[:end].tobytes()):
                kept = max(same, key=lambda one: _common(one.ids, prompt))
                self._remove(prompt[:end].tobytes(), kept)
                kept.past.length = min(_common(kept.ids, prompt), len(prompt) - 1)
                return kept.past
        return None

    def put(self, prompt: Ids, ids: Ids, past: Past) -> None:
        """Keep what was computed for a prompt and its answer; ``ids`` are all tokens of the past."""
        kept = _Kept(ids[: past.length], past)
        self._kept.setdefault(prompt.tobytes(), []).append(kept)
        self.bytes += past.bytes
        self.shrink(self._limit)

    def shrink(self, limit: int) -> None:
        """Forget the oldest until no more than so many bytes are held."""
        while self.bytes > max(limit, 0):
            prompt, same = next(iter(self._kept.items()))
            self._remove(prompt, same[0])

    def forget(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self.bytes = 0

    def _remove(self, prompt: bytes, kept: _Kept) -> None:
        same = [one for one in self._kept.pop(prompt) if one is not kept]
        if same:
            self._kept[prompt] = same
        self.bytes -= kept.past.bytes


def _common(one: Ids, other: Ids) -> int:
    """How many tokens two sequences begin with alike."""
    length = min(len(one), len(other))
    differ = np.flatnonzero(one[:length] != other[:length])
    return int(differ[0]) if len(differ) else length
