"""Reading and writing in turns gives what reading and writing at once gives, and lets others have theirs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

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
    st.none() | st.integers(-9, 9) | st.text(alphabet='a}{,[]":\\ é', max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet="ab}{,", max_size=2), inner, max_size=4),
    max_leaves=20,
)


@given(value=VALUES, spoil=st.none() | st.tuples(st.integers(0, 200), st.sampled_from([b"", b",", b"}", b"},", b"{", b"]", b'"'])))
@example(value=[{"a": {"b": {}, "c": {}}}, {}], spoil=None)
@example(value=[{}, {}], spoil=(7, b","))
@example(value=[[{"a": 1}, {"b": 2}], {}], spoil=None)
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
    ],
)
async def test_refused_as_at_once(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no piece shows to be wrong, and what some piece does, is refused in the words for the whole."""
    monkeypatch.setattr(turns, "_BYTES", 1)
    assert _at_once(body) == await _in_turns(body)


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
        (lambda: dumps_in_turns([ROW] * 10_000, list, 4), 90),
        (lambda: forget_in_turns([ROW] * 10_000, 4), 10),
        (lambda: forget_in_turns({str(at): ROW for at in range(10_000)}, 4), 10),
        (lambda: _all(10_000, 4), 90),
        (lambda: _all(1_000, 100), 240),
        (lambda: _all(100, 1_000), 90),
    ],
    ids=["list", "object", "written", "forgotten list", "forgotten object", "items", "wide items", "very wide items"],
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
