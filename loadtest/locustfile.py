"""Users for locust who wait for each answer, look whether it is right, and ask the next thing at once.

`make loadtest` runs them without a page; for locust's page: `locust -f loadtest/locustfile.py --class-picker --host http://127.0.0.1:8000`.
They ask about every family's examples, whose answers are known.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from locust import FastHttpUser, constant

from loadtest.checks import why_wrong, why_wrong_keyed, why_wrong_list
from twotier.families import offered
from twotier.family import Example, Family
from twotier.settings import SharedSettings

ROWS = 100
"""In one batch."""

FAMILIES = list(offered(SharedSettings.read()).values())


class Caller(FastHttpUser):
    """Asks for predictions and checks the answers."""

    abstract = True
    wait_time = constant(0)

    def ask(self, kind: str, family: Family, rows: Any, why: Callable[[Any], str | None]) -> None:
        """Send the rows; count the answer as a failure unless it is a 200 and right."""
        path = f"/{family.name}/predict"
        with self.client.post(path, json=rows, name=f"{path} {kind}", catch_response=True) as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")
                return
            try:
                reason = why(response.json())
            except ValueError:
                reason = "the answer is not JSON"
            if reason:
                response.failure(reason)

    def one(self) -> None:
        """Ask about one row."""
        family = random.choice(FAMILIES)
        example = random.choice(family.examples)
        self.ask("one", family, dict(example.row), lambda answer: why_wrong(family, example, answer))

    def many(self) -> None:
        """Ask about a list of rows."""
        family = random.choice(FAMILIES)
        examples = random.choices(family.examples, k=ROWS)
        self.ask("list", family, [dict(each.row) for each in examples], lambda answers: why_wrong_list(family, examples, answers))

    def keyed(self) -> None:
        """Ask about rows by key."""
        family = random.choice(FAMILIES)
        examples: dict[str, Example] = {f"row-{number}": random.choice(family.examples) for number in range(ROWS)}
        rows = {key: dict(each.row) for key, each in examples.items()}
        self.ask("keyed", family, rows, lambda answers: why_wrong_keyed(family, examples, answers))


class SingleUser(Caller):
    """One row at a time."""

    tasks = [Caller.one]


class BatchUser(Caller):
    """Batches, as lists and by key."""

    tasks = [Caller.many, Caller.keyed]


class MixedUser(Caller):
    """Mostly single rows, now and then a batch."""

    tasks = [*[Caller.one] * 8, Caller.many, Caller.keyed]
