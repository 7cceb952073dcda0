"""Whatever a caller sends, the answer is a small problem that points at what is wrong, and not a row of it reaches the model."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from tests.asking import JSON, ask, post
from tests.e2e.tiers import ROW, Tiers, answer, problem
from tests.integration.model_server_calls import metric

GOOD = json.dumps(ROW).encode()
OPEN = b'{"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": 3'
MIB = 1024 * 1024


class Bad(NamedTuple):
    """A body, and the problem that it gets."""

    body: bytes
    status: int
    slug: str
    pointer: str = ""
    """Where it points; by default at the whole body."""

    content_type: str = "application/json"


def cell(value: bytes, status: int = 422) -> Bad:
    """A row whose last cell is this."""
    slug = "invalid-input" if status == 422 else "unreadable-body"
    return Bad(OPEN + b', "PetalWidthCm": ' + value + b"}", status, slug, "/PetalWidthCm")


BAD = {
    "NaN": cell(b"NaN", 400),
    "Infinity": cell(b"Infinity", 400),
    "1e999": cell(b"1e999", 400),
    "a string": cell(b'"5"'),
    "true": cell(b"true"),
    "null": cell(b"null"),
    "negative": cell(b"-1"),
    "a lone surrogate as a value": cell(b'"\\ud800"', 400),
    "a lone surrogate as a key": Bad(b'{"\\udfff": ' + GOOD + b"}", 400, "unreadable-body", ""),
    "missing": Bad(OPEN + b"}", 422, "invalid-input", "/PetalWidthCm"),
    "unknown": Bad(OPEN + b', "PetalWidthCm": 4, "Colour": 1}', 422, "invalid-input", "/Colour"),
    "a name twice": Bad(OPEN + b', "PetalWidthCm": 4, "PetalWidthCm": 4}', 400, "unreadable-body", ""),
    "a key twice": Bad(b'{"k": ' + GOOD + b', "k": ' + GOOD + b"}", 400, "unreadable-body", ""),
    "one bad row of many": Bad(b"[" + b",".join([GOOD] * 99 + [cell(b'"5"').body]) + b"]", 422, "invalid-input", "/99/PetalWidthCm"),
    "nested deeply": Bad(b"[" * 100_000 + b"]" * 100_000, 400, "unreadable-body"),
    "a cell nested deeply": cell(b"[" * 100 + b"]" * 100),
    "10,001 rows": Bad(b"[" + b",".join([GOOD] * 10_001) + b"]", 422, "invalid-input"),
    "33 MiB": Bad(GOOD + b" " * (33 * MIB), 413, "too-large"),
    "33 MiB of bad rows": Bad(b"[" + b"{}," * (11 * MIB) + b"{}]", 413, "too-large"),
    "10,000 bad rows": Bad(b"[" + b",".join([b'{"' + b"x" * 3000 + b'": 1}'] * 10_000) + b"]", 422, "invalid-input", "/0/" + "x" * 10),
    "text": Bad(GOOD, 415, "unsupported-media-type", "", "text/plain"),
    "a form": Bad(GOOD, 415, "unsupported-media-type", "", "application/x-www-form-urlencoded"),
    "UTF-16 that says so": Bad(GOOD.decode().encode("utf-16"), 415, "unsupported-media-type", "", "application/json; charset=utf-16"),
    "UTF-16": Bad(GOOD.decode().encode("utf-16"), 400, "unreadable-body"),
    "trailing garbage": Bad(GOOD + b" {", 400, "unreadable-body"),
    "two values": Bad(GOOD + b"\n" + GOOD, 400, "unreadable-body"),
    "nothing": Bad(b"", 400, "unreadable-body"),
    "an empty list": Bad(b"[]", 422, "invalid-input"),
    "an empty object": Bad(b"{}", 422, "invalid-input"),
    "a list of lists": Bad(b"[[5, 2, 3, 4]]", 422, "invalid-input", "/0"),
    "a number": Bad(b"5", 422, "invalid-input", ""),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_bodies(served: Tiers, bad: Bad) -> None:
    """A 4xx problem, below 64 KB, that points at the cell; the model server is asked for nothing, and the next caller is answered."""
    asked = metric(served.front.url, "twotier_gateway_upstream_calls_total")
    said = problem(ask(served.predict, "POST", bad.body, {"Content-Type": bad.content_type}), bad.status, bad.slug)

    pointers = [fault["pointer"] for fault in said["errors"]]
    assert len(pointers) <= 20
    assert said["error_count"] >= len(pointers)
    if bad.pointer.endswith("xxx"):
        # A long name is shortened, so only its beginning is sure.
        assert pointers[0].startswith(bad.pointer)
    else:
        assert [bad.pointer] == pointers
    assert asked == metric(served.front.url, "twotier_gateway_upstream_calls_total")
    assert answer() == post(served.predict, ROW).body


@pytest.mark.parametrize(
    "body",
    [
        GOOD,
        b" \n" + GOOD + b"\r\n",
        OPEN + b', "PetalWidthCm": 4.0e0}',
        b'{"PetalWidthCm": 4, "PetalLengthCm": 3, "SepalWidthCm": 2, "SepalLengthCm": 5}',
        OPEN + b', "\\u0050etalWidthCm": 4}',
    ],
    ids=["as it is", "with space around it", "with an exponent", "in another order", "with an escape"],
)
def test_good_bodies(served: Tiers, body: bytes) -> None:
    """The negative control: what only looks unusual is answered."""
    answered = ask(served.predict, "POST", body, JSON)

    assert (200, answer()) == (answered.status, answered.body)


def test_nothing_failed(served: Tiers) -> None:
    """After all of it, cut off early too, neither tier has met a fault of its own."""
    for bad in BAD.values():
        for body in (bad.body, bad.body[:40]):
            assert ask(served.predict, "POST", body, {"Content-Type": bad.content_type}).status in (400, 413, 415, 422)

    assert 0 == metric(served.front.url, 'twotier_gateway_requests_total{.*route="/iris/predict",status="5..".*')
    logs = [tier.log.read_text() for tier in (served.front, served.back)]
    assert [False, False] == ["Traceback" in log or '"level": "error"' in log for log in logs]
