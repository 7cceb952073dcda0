"""Bytes are read as JSON in one way only, or refused with words that say where."""

from __future__ import annotations

import json
import math

import pytest

from twotier.errors import Fault, InputUnreadable
from twotier.gateway.strict_json import dumps, loads


@pytest.mark.parametrize(
    "value",
    [{}, [], 0, -0.0, 1e-400, 1.5, 10**400, "", "ä\0\U0001f600", None, True, {"a": [{"b": {"c": [1, 2.5, "x"]}}]}],
    ids=str,
)
def test_reads_what_the_standard_library_reads(value: object) -> None:
    """Good JSON means the same here as everywhere."""
    body = json.dumps(value).encode()

    assert json.loads(body) == loads(body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the body is empty: send JSON"),
        (b" \n", "the body is empty: send JSON"),
        (b"\xef\xbb\xbf{}", "the body starts with a byte order mark: send UTF-8 without one"),
        ("{}".encode("utf-16"), "the body is not UTF-8 from byte 0 on"),
        ("{}".encode("utf-16-be"), "the body is not JSON: line 1, column 1: Expecting value"),
        (b'{"a": "\xff"}', "the body is not UTF-8 from byte 7 on"),
        (b"{", "the body is not JSON: line 1, column 2: Expecting property name enclosed in double quotes"),
        (b"{}\n secret", "the body is not JSON: line 2, column 2: Extra data"),
        (b"// secret\n{}", "the body is not JSON: line 1, column 1: Expecting value"),
        (b'{"a": "\x00"}', "the body is not JSON: line 1, column 8: Invalid control character at"),
        (b"[" * 100_000, "the body is nested too deeply"),
        (b'{"a":' * 100_000, "the body is nested too deeply"),
        (b"1" * 5000, "the body has an integer with too many digits"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_refuses_what_is_not_json(body: bytes, words: str) -> None:
    """What is not JSON is refused, with where it goes wrong and without an echo."""
    with pytest.raises(InputUnreadable) as refused:
        loads(body)

    assert (words, ()) == (str(refused.value), refused.value.faults)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b'[{"a": NaN}]', Fault("/0/a", "NaN and Infinity are not JSON")),
        (b'{"k": {"a": Infinity}}', Fault("/k/a", "NaN and Infinity are not JSON")),
        (b"-Infinity", Fault("", "NaN and Infinity are not JSON")),
        (b'{"a": 1.0, "b": 1e999}', Fault("/b", "this number is too large")),
        (b'[1, [-1e999, 2.5]]', Fault("/1/0", "this number is too large")),
        (b'{"a": {"x": 1, "x": 2}}', Fault("/a", "a name is given twice in this object")),
        (b'{"a": {"b": {"x": 1, "x": 2}}, "c": [1]}', Fault("/a/b", "a name is given twice in this object")),
        (b'{"a": "\\ud800"}', Fault("/a", "half of a surrogate pair stands here, which no encoding can carry")),
        (b'["\\uDC00"]', Fault("/0", "half of a surrogate pair stands here, which no encoding can carry")),
        (b'[{"\\ud800": 1}]', Fault("/0", "half of a surrogate pair stands here, which no encoding can carry")),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_points_at_what_readers_disagree_on(body: bytes, fault: Fault) -> None:
    """A value that one reader takes and another does not is refused, with a pointer to it."""
    with pytest.raises(InputUnreadable) as refused:
        loads(body)

    assert ((fault,), 1) == (refused.value.faults, refused.value.count)


SPOILT: list[tuple[bytes, str]] = [
    (b'{"a": NaN,}', "the body is not JSON: line 1, column 11: Expecting property name enclosed in double quotes"),
    (b'{"a": NaN', "the body is not JSON: line 1, column 10: Expecting ',' delimiter"),
    (b'[-Infinity, "a]', "the body is not JSON: line 1, column 13: Unterminated string starting at"),
    (b"[1e999] secret", "the body is not JSON: line 1, column 9: Extra data"),
    (b'[{"a": 1, "a": 2}, secret]', "the body is not JSON: line 1, column 20: Expecting value"),
    (b"[NaN, " + b"[" * 100_000, "the body is nested too deeply"),
    (b'[{"a": 1, "a": 2}, ' + b'{"a":' * 100_000, "the body is nested too deeply"),
    (b"[1e999, " + b"1" * 5000 + b"]", "the body has an integer with too many digits"),
]
"""Bodies with a flaw that readers disagree on, and behind it something that none of them takes; and what is said of them."""


@pytest.mark.parametrize(("body", "words"), SPOILT, ids=lambda value: repr(value)[:30])
def test_a_flaw_hides_nothing_behind_it(body: bytes, words: str) -> None:
    """What is no JSON is told as that, whatever stands before it: where the flaw is cannot be found in what cannot be read."""
    with pytest.raises(InputUnreadable) as refused:
        loads(body)

    assert (words, ()) == (str(refused.value), refused.value.faults)


def test_names_twenty_faults_and_counts_the_others() -> None:
    """A body full of faults makes a short refusal."""
    with pytest.raises(InputUnreadable) as refused:
        loads(b"[" + b"NaN," * 99 + b"NaN]")

    assert (20, 100) == (len(refused.value.faults), refused.value.count)


def test_reads_whole_surrogate_pairs() -> None:
    """An escaped pair is one character, as the encoders of other languages write it."""
    assert ["\U0001f600"] == loads(b'["\\ud83d\\ude00"]')


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800"], ids=repr)
def test_writes_no_json_that_is_none(value: object) -> None:
    """What JSON cannot carry is not written."""
    with pytest.raises(ValueError):
        dumps([value])


def test_writes_compact_utf8() -> None:
    """JSON is written without blanks and without escapes that UTF-8 can do without."""
    assert '{"ä":[1,2.5,null]}'.encode() == dumps({"ä": [1, 2.5, None]})
