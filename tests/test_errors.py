"""Whatever an error of ours repeats, its message is one line that a terminal and a page can show."""

import importlib
import pickle
import pkgutil
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import service
from service.errors import BackendError, HypocenterError
from service.text import is_printable
from tests.strangers import HOSTILE


def kinds(root: type[HypocenterError] = HypocenterError) -> Iterator[type[HypocenterError]]:
    """The class and all that derive from it, as far as their modules are imported."""
    yield root
    for kind in root.__subclasses__():
        yield from kinds(kind)


@pytest.fixture(scope="module")
def every_kind() -> list[type[HypocenterError]]:
    for module in pkgutil.walk_packages(service.__path__, "service."):
        importlib.import_module(module.name)
    return list(kinds())


@given(text=st.text() | HOSTILE)
@example(text="specversion is \x1f")
@example(text="first line\nsecond line")
def test_the_message_of_every_error_is_one_printable_line(every_kind: list[type[HypocenterError]], text: str) -> None:
    assert len(every_kind) > 10
    for kind in every_kind:
        error = kind(text)
        assert is_printable(str(error))
        assert len(str(error)) == len(text)
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy)) == (kind, str(error))


def test_what_can_be_shown_stays_as_it_is() -> None:
    assert str(HypocenterError("café наука: 1 → 2")) == "café наука: 1 → 2"
    assert str(HypocenterError()) == ""


def test_an_error_that_causes_another_is_known_to_it() -> None:
    def ask() -> None:
        try:
            raise ValueError("x\n")
        except ValueError as error:
            raise BackendError(f"Loki: {error}", 3.0) from error

    with pytest.raises(BackendError, match="Loki: x\ufffd") as caught:
        ask()
    assert isinstance(caught.value.__cause__, ValueError)
    assert pickle.loads(pickle.dumps(caught.value)).retry_after_s == 3.0
