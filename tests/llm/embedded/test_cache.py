import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.llm.embedded.cache import PrefixCache
from service.llm.embedded.network import GROWTH, Ids, Past
from tests.llm.embedded.nets import SMALL

MARK = 7
A_PAST = GROWTH * SMALL.token_bytes
MUCH = 100 * A_PAST


def ids(*tokens: int) -> Ids:
    return np.array(tokens, np.int32)


def past(length: int) -> Past:
    made = Past(SMALL)
    made.length = length
    return made


def kept(cache: PrefixCache, prompt: Ids, answer: Ids) -> Past:
    """What was computed for a prompt and its answer, but for the answer's last token."""
    made = past(len(prompt) + len(answer) - 1)
    cache.put(prompt, np.append(prompt, answer), made)
    return made


def test_a_conversation_that_goes_on_finds_its_past():
    cache = PrefixCache(MARK, MUCH)
    made = kept(cache, ids(1, 2, MARK), ids(3, 4, 5))
    assert cache.take(ids(1, 2, MARK, 3, 4, 5, 6, MARK)) is made
    assert made.length == 5


def test_a_past_belongs_to_one_conversation_at_a_time():
    cache = PrefixCache(MARK, MUCH)
    kept(cache, ids(1, MARK), ids(3))
    assert cache.take(ids(1, MARK, 3, MARK)) is not None
    assert cache.take(ids(1, MARK, 3, MARK)) is None


def test_the_same_prompt_asked_again_computes_its_last_token_only():
    cache = PrefixCache(MARK, MUCH)
    made = kept(cache, ids(1, 2, MARK), ids(3, 4))
    assert cache.take(ids(1, 2, MARK)) is made
    assert made.length == 2


def test_of_two_answers_to_one_prompt_the_one_that_was_given_is_found():
    cache = PrefixCache(MARK, MUCH)
    kept(cache, ids(1, MARK), ids(3, 4, 5))
    right = kept(cache, ids(1, MARK), ids(3, 9, 5))
    assert cache.take(ids(1, MARK, 3, 9, 5, 6, MARK)) is right


def test_another_beginning_finds_nothing():
    cache = PrefixCache(MARK, MUCH)
    kept(cache, ids(1, 2, MARK), ids(3))
    assert cache.take(ids(1, 5, MARK)) is None
    assert cache.take(ids(2, MARK)) is None


def test_the_oldest_goes_first_and_no_more_is_held_than_may_be():
    cache = PrefixCache(MARK, 2 * A_PAST)
    for number in range(4):
        kept(cache, ids(number, MARK), ids(3))
    assert cache.bytes == 2 * A_PAST
    assert [cache.take(ids(n, MARK, 3, MARK)) is not None for n in range(4)] == [False, False, True, True]
    assert cache.bytes == 0


Turns = st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 3), min_size=1, max_size=4)), max_size=30)


@given(Turns, st.integers(0, 5))
def test_whatever_happens_it_counts_right_holds_its_bound_and_finds_only_what_is_the_beginning(
    turns: list[tuple[bool, list[int]]], room: int
):
    cache = PrefixCache(MARK, room * A_PAST)
    written = dict[int, Ids]()
    for takes, tokens in turns:
        prompt = ids(*tokens, MARK)
        if takes:
            asked = np.append(prompt, ids(9, 9, MARK))
            if (found := cache.take(asked)) is not None:
                assert found.length < len(asked)
                np.testing.assert_array_equal(written[id(found)][: found.length], asked[: found.length])
        else:
            made = past(len(prompt) + 2)
            written[id(made)] = np.append(prompt, ids(*tokens[:2], 9))[: len(prompt) + 2]
            made.length = len(written[id(made)])
            cache.put(prompt, written[id(made)], made)
        assert 0 <= cache.bytes <= room * A_PAST
        assert cache.bytes % A_PAST == 0
