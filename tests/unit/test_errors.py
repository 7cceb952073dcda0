"""The exception tree is as its docstring draws it."""

from __future__ import annotations

import inspect
import re

import pytest

from twotier import errors
from twotier.errors import ConfigurationError, Fault, InputRefused, TwotierError, UpstreamUnavailable

CLASSES = {name: value for name, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, Exception)}


def _drawn() -> dict[str, str]:
    """Class -> parent, as drawn."""
    path = ["TwotierError"]
    parents = {}
    for line in (errors.__doc__ or "").splitlines():
        if branch := re.match(r"([│ ]*)[├└]── (\w+)", line):
            depth = len(branch[1]) // 4 + 1
            path[depth:] = [branch[2]]
            parents[branch[2]] = path[depth - 1]
    return parents


def test_tree_is_drawn_as_it_is() -> None:
    """Every class of the module is in the drawing, under its parent, and nothing else is."""
    assert _drawn() == {name: value.__mro__[1].__name__ for name, value in CLASSES.items() if name != "TwotierError"}


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_message_is_the_sentence(name: str) -> None:
    """Every error can be made from one sentence, and says that sentence."""
    assert "the model is away" == str(CLASSES[name]("the model is away"))


def test_one_except_catches_all() -> None:
    """Whoever catches TwotierError catches every class of the tree."""
    assert all(issubclass(value, TwotierError) for value in CLASSES.values())
    with pytest.raises(TwotierError):
        raise ConfigurationError("x")


def test_refused_input_counts_its_faults() -> None:
    """The count is that of the faults given, unless the caller knows of more."""
    faults = [Fault("/0/a", "is missing"), Fault("/1/a", "is missing")]
    assert (2, tuple(faults)) == ((error := InputRefused("two", faults)).count, error.faults)
    assert 40 == InputRefused("forty", faults, 40).count
    assert 0 == InputRefused("the body is not JSON").count


def test_unavailable_says_when_to_come_back() -> None:
    """An unavailable model server is worth another try after a second, unless it says otherwise."""
    assert (1, 7) == (UpstreamUnavailable("x").retry_after, UpstreamUnavailable("x", 7).retry_after)
