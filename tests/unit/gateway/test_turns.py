"""Reading and writing in turns gives what reading and writing at once gives, and lets others have theirs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.gateway.test_strict_json import SPOILT
from twotier.errors import InputUnreadable
from twotier.gateway import turns
from twotier.gateway.strict_json import dumps, loads
from twotier.gateway.turns import dumps_in_turns, forget_in_turns, loads_in_turns, map_in_turns

ROW = {"SepalLengthCm": 5.0, "note": "as long as other rows are"}


async def _turns_of_others(work: Coroutine[Any, Any, Any]) -> int:
    """How often another task gets its turn while the work is done."""
    count = 0

    async def other() -> None:
        nonlocal count
        while True:
            await asyncio.sleep(0)
            count += 1

    task = asyncio.create_task(other())
    await work
    task.cancel()
    return count


def _at_once(body: bytes) -> Any:
    try:
        return loads(body)
    except InputUnreadable as error:
        return str(error), error.faults


async def _in_turns(body: bytes) -> Any:
    try:
        return await loads_in_turns(body)
    except InputUnreadable as error:
        return str(error), error.faults


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers(-9, 9) | st.text(alphabet='a}{,[]":\\ é1', max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(st.none() | st.booleans(), max_size=4)
        | st.lists(st.integers(-9, 9) | st.lists(st.floats(-9, 9), max_size=3), max_size=5)
        | st.dictionaries(st.text(alphabet="ab}{,", max_size=2), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(value=VALUES, spoil=st.none() | st.tuples(st.integers(0, 200), st.sampled_from([b"", b",", b"}", b"},", b"{", b"]", b'"'])))
@example(value=[{"a": {"b": {}, "c": {}}}, {}], spoil=None)
@example(value=[{}, {}], spoil=(7, b","))
@example(value=[[{"a": 1}, {"b": 2}], {}], spoil=None)
@example(value={"a": [[1, 2], [3, 4]], "b": ["[5,6]", [7, 8], "x[9]", {"[1]": []}]}, spoil=None)
@example(value=[[[[1, 2], [3]], [[4]]], ["a", [1, 2], [3, 4]]], spoil=None)
def test_read_as_at_once(value: Any, spoil: tuple[int, bytes] | None) -> None:
    """Whatever it is, whether cuts fall into strings, into nested values or beside what is no JSON: with pieces of a byte, they all do."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    if spoil is not None:
        at, instead = spoil
        body = body[:at] + instead + body[at + 1 :]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turns, "_BYTES", 1)
        assert _at_once(body) == asyncio.run(_in_turns(body))


@pytest.mark.parametrize(
    "body",
    [
        b'[{"a":1},{"b":2},]',
        b'{"a":{},"b":{},"a":{}}',
        b'[{"a":1},{"b":NaN}]',
        b'[{"a":{}},{"b":1}',
        b'"{},{},{}"',
        b'[{"a":1}, {"b":2}] [{}]',
        b'{"a":[1,2,]}',
        b'{"a":[1,,2]}',
        b'{"a":[[1,2],[3,4]}',
        b'{"a":[1,2]],"b":[3]}',
        b'{"a":[1,1e999,2]}',
        b'{"a":[1,2],"a":[3,4]}',
        b'{[1,2,3]:4}',
        b'["[1,2,3]" [1,2,3]]',
        rb'["\[1,2,3] , "x"]',
    ],
)
async def test_refused_as_at_once(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no piece shows to be wrong, and what some piece does, is refused in the words for the whole."""
    monkeypatch.setattr(turns, "_BYTES", 1)
    assert _at_once(body) == await _in_turns(body)


async def test_only_so_many_lists_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those behind them are read with the rest."""
    monkeypatch.setattr(turns, "_BYTES", 1)
    monkeypatch.setattr(turns, "_LISTS", 2)
    assert {"a": [1, 2], "b": [3, 4], "c": [5, 6]} == await loads_in_turns(b'{"a":[1,2],"b":[3,4],"c":[5,6]}')


@pytest.mark.parametrize("body", [body for body, _ in SPOILT], ids=lambda body: repr(body)[:30])
@pytest.mark.parametrize("before", [0, 1, 300])
async def test_a_flaw_before_what_is_no_json(body: bytes, before: int) -> None:
    """Whether the whole is read at once or in pieces: behind this many rows, the piece with the flaw may be the first or a later one."""
    body = b"[" + b"".join(dumps(ROW) + b", " for _ in range(before)) + body + b" " * 3000 + b"]"
    with pytest.raises(InputUnreadable) as refused:
        await loads_in_turns(body)
    assert _at_once(body) == (str(refused.value), refused.value.faults)


async def test_a_piece_with_a_flaw_that_was_cut_at_a_wrong_place() -> None:
    """The first piece ends within the inner list, behind a NaN: read as a whole, the NaN is all that is wrong."""
    body = b'{"rows": [{"a": NaN, "note": "' + b"x" * 3000 + b'"}, {"a": 1}, {"a": 2}]}'
    with pytest.raises(InputUnreadable) as refused:
        await loads_in_turns(body)
    assert ["/rows/0/a"] == [fault.pointer for fault in refused.value.faults]


@pytest.mark.parametrize("kind", [list, dict])
@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 1000])
async def test_written_as_at_once(kind: Any, count: int) -> None:
    """Lists and objects, of any length."""
    items: Any = [ROW] * count if kind is list else [(str(at), ROW) for at in range(count)]
    assert dumps(kind(items)) == b"".join(await dumps_in_turns(iter(items), kind, 4))


async def test_what_is_long_is_written_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is much longer than it may be, and what is short is in one."""
    monkeypatch.setattr(turns, "_PIECE", 10_000)
    pieces = await dumps_in_turns([ROW] * 1000, list, 4)
    assert len(pieces) > 4
    assert all(10_000 < len(piece) < 14_000 for piece in pieces[:-1]) and len(pieces[-1]) < 14_000
    assert 1 == len(await dumps_in_turns([ROW] * 50, list, 4))


@pytest.mark.parametrize("items", [[ROW] * 10_000, {str(at): ROW for at in range(10_000)}, [], {}], ids=["list", "object", "none", "no"])
async def test_forgotten_to_the_last(items: Any) -> None:
    """Whatever holds them."""
    await forget_in_turns(items, 4)
    assert not items


async def test_what_is_not_json_is_not_written() -> None:
    """Wherever it stands."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        await dumps_in_turns([1.0] * 200 + [float("nan")], list, 4)


@pytest.mark.parametrize(
    ("work", "least"),
    [
        (lambda: loads_in_turns(dumps([ROW] * 10_000)), 20),
        (lambda: loads_in_turns(dumps({str(at): ROW for at in range(10_000)})), 20),
        (lambda: loads_in_turns(dumps({"data": [5.1] * 40_000})), 50),
        (lambda: loads_in_turns(dumps({"data": [None, True, False] * 10_000})), 50),
        (lambda: loads_in_turns(dumps({"data": [[5.1, 3.5, 1.4, 0.2]] * 10_000})), 50),
        (lambda: loads_in_turns(dumps({"inputs": [{"name": "a", "data": [5.1] * 9_000}] * 4 + [{"data": ["a"] * 200}]})), 50),
        (lambda: dumps_in_turns([ROW] * 10_000, list, 4), 90),
        (lambda: forget_in_turns([ROW] * 10_000, 4), 10),
        (lambda: forget_in_turns({str(at): ROW for at in range(10_000)}, 4), 10),
        (lambda: _all(10_000, 4), 90),
        (lambda: _all(1_000, 100), 240),
        (lambda: _all(100, 1_000), 90),
    ],
    ids=(
        ["list", "object", "numbers", "gaps", "lists of numbers", "tensors", "written", "forgotten list", "forgotten object"]
        + ["items", "wide items", "very wide items"]
    ),
)
async def test_others_get_their_turn(work: Callable[[], Coroutine[Any, Any, Any]], least: int) -> None:
    """Many times while there are many rows."""
    assert least <= await _turns_of_others(work())


async def test_little_is_done_at_once() -> None:
    """The negative control: what is short waits for nobody."""
    assert 0 == await _turns_of_others(loads_in_turns(dumps([ROW] * 10)))
    assert 0 == await _turns_of_others(dumps_in_turns([ROW] * 25, list, 4))
    assert 0 == await _turns_of_others(_all(25, 4))


async def _all(count: int, width: int) -> None:
    assert list(range(1, count + 1)) == await map_in_turns(lambda item: item + 1, range(count), width)
