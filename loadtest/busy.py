"""What is large: calls of many full rows of outcome, and a training of it. Each is looked at, so that none is quick and wrong."""

from __future__ import annotations

import functools
import itertools
import json
import math
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twotier.families.outcome import FAMILY, generate

SEED = 2026
"""Training has not seen its rows."""

BYTES_PER_ROW = (1_650, 1_800)
"""How large a full row is, at least and at most: 10,000 of them are 17 MB."""

POLL_SECONDS = 0.5
"""How often it is looked whether a training is running: so seldom that far less than a hundredth of the caller's calls meet it."""


@dataclass(frozen=True, slots=True)
class Busy:
    """What went on: from when to when, how long each part of it took, and which answers were wrong."""

    begun: float
    ended: float
    seconds: Sequence[float]
    wrong: Sequence[str]


@functools.cache
def full_rows(count: int) -> tuple[list[dict[str, Any]], bytes]:
    """Rows as the family's own generator writes them, and the body that they are sent as."""
    (batch,) = generate(SEED, count)
    rows = [dict(zip(FAMILY.features, cells, strict=True)) for cells in zip(*(batch[name] for name in FAMILY.features), strict=True)]
    body = json.dumps(rows).encode()
    assert BYTES_PER_ROW[0] < len(body) / count < BYTES_PER_ROW[1], f"{len(body)} bytes are not {count} full rows"
    return rows, body


def megabytes(count: int) -> float:
    """The size of the body of that many rows."""
    return len(full_rows(count)[1]) / 1e6


def large_calls(url: str, rows: int, calls: int) -> Busy:
    """Send all rows in one call, again and again. The answers are looked at when all have come, and nobody is measured any more."""
    sent, body = full_rows(rows)
    answers, moments = [], [time.monotonic()]
    for _ in range(calls):
        answers.append(_ask(url + "/outcome/predict", body))
        moments.append(time.monotonic())
    took = [after - before for before, after in itertools.pairwise(moments)]
    return Busy(moments[0], moments[-1], took, [reason for answer in answers if (reason := why_wrong(sent, *answer))])


def why_wrong(sent: Sequence[dict[str, Any]], status: int, body: bytes) -> str | None:
    """Why this cannot be the answer to these rows of outcome, or None if it can: each has its decision and repeats its own row."""
    if status != 200:
        return f"a large call was answered {status}: {body[:200]!r}"
    answers = json.loads(body)
    if len(answers) != len(sent):
        return f"{len(sent)} rows had {len(answers)} answers"
    wrong = [at for at, (row, answer) in enumerate(zip(sent, answers, strict=True)) if not _fits(row, answer)]
    return f"{len(wrong)} of {len(sent)} answers are wrong, that to row {wrong[0]} first" if wrong else None


def _fits(row: dict[str, Any], answer: dict[str, Any]) -> bool:
    return row.items() <= answer.items() and answer["business_outcome"] in (0, 1) and 0 <= answer["phat"] <= 1


def a_training(url: str) -> Busy:
    """Train outcome and look on. It lasts, for us, from when it was first seen running until it last was."""
    identity = json.loads(_ask(url + "/models/outcome/train", b"")[1])["id"]
    begun, ended = math.inf, -math.inf
    while True:
        asked = time.monotonic()
        job = json.loads(_ask(f"{url}/jobs/{identity}")[1])
        if job["status"] == "running":
            begun, ended = min(begun, time.monotonic()), asked
        elif job["status"] != "queued":
            break
        time.sleep(POLL_SECONDS)
    wrong = [] if job["status"] == "succeeded" and begun < ended else [f"the training was not seen running until it succeeded: {job}"]
    return Busy(begun, ended, [ended - begun], wrong)


def _ask(url: str, body: bytes | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, body, {} if body is None else {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()
