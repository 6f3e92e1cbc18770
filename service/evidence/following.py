"""What follows an execution: "of the executions of operation A, how many were followed by B", now and before.

B may be a call or a log template. One question, one function: early returns, new paths, and new log lines are the same
kind of evidence.
"""

from dataclasses import dataclass, replace

import numpy as np

from service.evidence.constants import FEW_HITS, REPLACED
from service.evidence.lineage import Bools, Ints
from service.evidence.spans import Spans, combine
from service.evidence.strata import Shift, share_shift


@dataclass(frozen=True)
class Followed:
    """For each pair of a step A and what may follow it: the shift of the share, A's step code, the item's code, and one
    event (index into the events given) as an example.
    """

    shift: Shift
    step: Ints
    item: Ints
    event: Ints


def followed(spans: Spans, executions: Ints, items: Ints) -> Followed:
    """Compare the share of executions of each step that are followed by each item, within the same entry and parent.

    ``executions[i]`` is the row of a span that was followed by ``items[i]``; repeats within an execution count once.
    Pairs in which nothing can have moved (always or hardly ever followed, then and now) are left out.
    """
    width = int(items.max(initial=0)) + 1
    seen, event = np.unique(executions * width + items, return_index=True)
    executions, items = seen // width, seen % width
    pair_key = spans.step[executions] * width + items
    pairs, first, pair = np.unique(pair_key, return_index=True, return_inverse=True)
    moved = _may_have_moved(spans, executions, pair, pairs // width)
    rows, group = _all_executions(spans, pairs[moved] // width)
    hit = np.isin(rows * width + (pairs[moved] % width)[group], seen)
    fine = combine(spans.entry[rows], spans.above[rows] + 1, group)
    shift = share_shift(spans.now[rows], hit, group, [fine, combine(spans.entry[rows], group), group])
    return Followed(shift, pairs[moved] // width, pairs[moved] % width, event[first[moved]])


def less_what_replaced_it(found: Followed) -> Shift:
    """The shift, smaller where a step does one thing instead of another: a lost call of which as many executions newly
    do something else is mostly a change in what is asked for, not a failure to do it.
    """
    shift = found.shift
    moved = np.nan_to_num(shift.now - shift.before)
    most = np.zeros(int(found.step.max(initial=-1)) + 1)
    np.maximum.at(most, found.step, moved)
    replaced = np.clip(most[found.step] / np.maximum(-moved, 1e-9), 0, 1)
    return replace(shift, moved=np.where(moved < 0, shift.moved * (1 - REPLACED * replaced), shift.moved))


def _may_have_moved(spans: Spans, executions: Ints, pair: Ints, step: Ints) -> Bools:
    """Pairs whose plain share moved by over a point, in enough executions to tell."""
    size = len(step)
    hits = np.bincount(pair, minlength=size)
    hits_now = np.bincount(pair[spans.now[executions]], minlength=size)
    total = np.bincount(spans.step, minlength=int(spans.step.max(initial=0)) + 1)
    total_now = np.bincount(spans.step[spans.now], minlength=len(total))
    n_now, n_before = total_now[step], (total - total_now)[step]
    share_now = hits_now / np.maximum(n_now, 1)
    share_before = (hits - hits_now) / np.maximum(n_before, 1)
    return (n_now > 0) & (n_before > 0) & (np.abs(share_now - share_before) > 0.01) & (hits >= FEW_HITS)


def _all_executions(spans: Spans, steps: Ints) -> tuple[Ints, Ints]:
    """All rows of each of the steps (a step may occur several times), and the position of the step that each is for."""
    order = np.argsort(spans.step, kind="stable")
    counts = np.bincount(spans.step, minlength=int(spans.step.max(initial=0)) + 1)
    begin = (np.cumsum(counts) - counts)[steps]
    sizes = counts[steps]
    group = np.repeat(np.arange(len(steps)), sizes)
    offset = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order[begin[group] + offset], group
