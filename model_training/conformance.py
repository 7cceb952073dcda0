"""What every family must do: a suite for pytest, which `twotier check` runs. No line here is about one family.

It runs on every family that the settings offer, or on the one that CONFORMANCE_FAMILY names. It reads the raw data of the data folder
that is set, and trains into a temporary one.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta
from pydantic import ValidationError

from model_training import train
from model_training.pipelines import memory
from model_training.pipelines.read import read
from twotier.families import Families, offered
from twotier.family import NAME, Answer, Family, Row
from twotier.registry import Registry, RegistrySettings, Version
from twotier.scorer import Scorer
from twotier.settings import SharedSettings

CHECKED = "CONFORMANCE_FAMILY"

FAMILIES = offered(SharedSettings.read())
if name := os.environ.get(CHECKED):
    FAMILIES = Families({name: FAMILIES[name]})

each_family = pytest.mark.parametrize("family", [pytest.param(family, id=name) for name, family in FAMILIES.items()])

HEAVY = {"numpy", "scipy", "sklearn", "pandas"}
"""What the gateway must not load."""

RESERVED = {"model_name", "partial"}
"""What the gateway itself puts into an answer, or reads from a query: no field and no flag may be called that."""


@dataclass(frozen=True)
class Served:
    """A freshly trained version of one estimator, loaded as the model server loads it."""

    family: Family
    version: Version
    scorer: Scorer
    data: Path

    @cached_property
    def rows(self) -> list[Row]:
        """Some rows of the raw data, from all over it."""
        rows = read(self.family, self.data).rows
        named = (dict(zip(self.family.features, row, strict=True)) for row in rows[:: max(1, len(rows) // 40)])
        return [self.family.row.model_validate(row) for row in named]

    def answers(self, rows: list[Row]) -> list[Answer]:
        """One answer per row."""
        answers = self.scorer.answers([self.family.values(row) for row in rows])
        return [_answer(answer) for answer in answers]


def _answer(answer: Answer | Exception) -> Answer:
    if isinstance(answer, Exception):
        raise answer
    return answer


@pytest.fixture(
    scope="session",
    params=[
        pytest.param((family, estimator), id=f"{name}-{estimator}")
        for name, family in FAMILIES.items()
        for estimator in family.estimators
    ],
)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Each estimator of each family, trained once, into a registry of its own."""
    family, estimator = request.param
    data = SharedSettings.read().data
    with contextlib.closing(_registry(tmp_path_factory.mktemp("conformance"))) as registry:
        version = train(registry, family, estimator, data=data)
        yield Served(family, version, registry.load(family.name, version.name), data)


def _registry(home: Path) -> Registry:
    """A registry that has nothing to do with the one of the settings."""
    places = {"store_url": str(home / "models"), "signing_key": home / "key.pem", "trusted_keys": home / "trusted"}
    settings = RegistrySettings.read(ledger_url=f"sqlite:///{home / 'database.sqlite'}", **places)
    return Registry.open(settings, SharedSettings.read())


def _same(one: Any, other: Any) -> bool:
    """Equal, with floats equal to nine digits: a matrix product may round otherwise when its shape is another."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _told(answers: list[Answer]) -> list[dict[str, Any]]:
    return [answer.model_dump(mode="json") for answer in answers]


# The description of the family


@each_family
def test_every_field_is_described(family: Family) -> None:
    """Each field of a row has a description and an example, and the examples together make a row."""
    fields = dict(zip(family.features, family.row.model_fields.values(), strict=True))
    for name, info in fields.items():
        assert info.description, f"{name} has no description: use feature()"
        assert info.examples, f"{name} has no example: use feature()"
    family.row.model_validate({name: (info.examples or [])[0] for name, info in fields.items()})


@each_family
def test_fields_on_request_can_be_left_out(family: Family) -> None:
    """A field on request can be asked for in a query, is None unless it is made, and has a name that the gateway does not use itself."""
    assert RESERVED.isdisjoint([*family.answer.model_fields, *family.on_request.values()])
    assert len(family.on_request) == len(set(family.on_request.values()))
    for name, flag in family.on_request.items():
        info = family.answer.model_fields[name]
        assert NAME.match(flag)
        assert not info.is_required() and info.default is None
        assert info.description


@each_family
def test_target_is_no_feature(family: Family) -> None:
    """What is to be predicted is not among what it is predicted from."""
    assert family.dataset.target not in family.features


@each_family
def test_schemas_are_valid(family: Family) -> None:
    """The JSON Schemas of row and answer are schemas, and the examples fit them."""
    row, answer = family.row.model_json_schema(), family.answer.model_json_schema(mode="serialization")
    for schema in (row, answer):
        meta.validate(schema)
    for example in family.examples:
        Draft202012Validator(row).validate(dict(example.row))
    assert list(family.features) == list(row["properties"])
    assert row.get("additionalProperties") is False


@each_family
def test_examples_are_rows(family: Family) -> None:
    """Each example's row is one that callers may send, and its answer has only fields that answers have."""
    for example in family.examples:
        family.row.model_validate(dict(example.row))
        assert example.answer
        assert example.answer.keys() <= family.answer.model_fields.keys()


@each_family
def test_top_of_the_family_file_is_light(family: Family) -> None:
    """Importing the family's file, in a fresh interpreter, imports neither scikit-learn nor what it stands on."""
    script = "import runpy, sys; runpy.run_path(sys.argv[1]); print(*sys.modules, sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", script, inspect.getfile(family.row)], capture_output=True, text=True, check=True).stdout
    assert set() == HEAVY & set(loaded.splitlines())
    assert "twotier.family" in loaded.splitlines()


# What it refuses


def _kinds(schema: dict[str, Any], field: dict[str, Any]) -> set[str]:
    """The JSON types that a field takes."""
    if "$ref" in field:
        return _kinds(schema, schema["$defs"][field["$ref"].rsplit("/", 1)[1]])
    if "anyOf" in field:
        return {kind for part in field["anyOf"] for kind in _kinds(schema, part)}
    return {field["type"]}


SAMPLES: dict[str, Any] = {"null": None, "boolean": True, "string": "x", "number": 1.5, "array": [], "object": {}}


def _refused(family: Family, row: dict[str, Any]) -> list[Any]:
    """The fields that are at fault."""
    with pytest.raises(ValidationError) as caught:
        family.row.model_validate(row)
    return sorted({error["loc"][0] for error in caught.value.errors()})


@each_family
def test_missing_field_is_refused(family: Family) -> None:
    """A row without a field that must be there is refused with the name of that field."""
    for name, info in zip(family.features, family.row.model_fields.values(), strict=True):
        row = {key: value for key, value in family.examples[0].row.items() if key != name}
        if info.is_required():
            assert [name] == _refused(family, row)
        else:
            family.row.model_validate(row)


@each_family
def test_unknown_field_is_refused(family: Family) -> None:
    """A row with a field that nobody knows is refused with its name."""
    assert ["unheard_of"] == _refused(family, {**family.examples[0].row, "unheard_of": 1})


@each_family
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_number_that_is_not_finite_is_refused(family: Family, value: float) -> None:
    """No field takes NaN or infinity."""
    for name in family.features:
        assert [name] == _refused(family, {**family.examples[0].row, name: value})


@each_family
def test_value_of_another_type_is_refused(family: Family) -> None:
    """A field takes no value of a type that its schema does not tell: no text or truth value for a number, no number for text."""
    schema = family.row.model_json_schema()
    for name in family.features:
        kinds = _kinds(schema, schema["properties"][name])
        for kind in SAMPLES.keys() - kinds:
            assert [name] == _refused(family, {**family.examples[0].row, name: SAMPLES[kind]}), kind
        if "string" not in kinds:
            assert [name] == _refused(family, {**family.examples[0].row, name: "1"})


# What a trained version does


def test_gate_passes_on_the_raw_data(served: Served) -> None:
    """Trained on the raw data, each estimator passes the family's gate."""
    assert served.version.gate is not None
    assert served.version.gate.passed, served.version.gate.findings


def test_examples_are_answered_as_documented(served: Served) -> None:
    """The default estimator answers each example as documented; any other answers it with an answer."""
    family = served.family
    answers = served.answers([family.row.model_validate(dict(example.row)) for example in family.examples])
    assert all(isinstance(answer, family.answer) for answer in answers)
    if served.version.estimator == family.default_estimator:
        for example, answer in zip(family.examples, _told(answers), strict=True):
            assert dict(example.answer) == {key: answer[key] for key in example.answer}


def test_answer_survives_json(served: Served) -> None:
    """Each answer fits its JSON Schema, and is the same after a round trip through JSON."""
    schema = Draft202012Validator(served.family.answer.model_json_schema(mode="serialization"))
    for answer in served.answers(served.rows):
        schema.validate(answer.model_dump(mode="json"))
        assert answer == served.family.answer.model_validate_json(answer.model_dump_json())


def test_single_is_a_batch_of_one(served: Served) -> None:
    """A row alone has the answer that it has among others."""
    rows = served.rows
    assert _same(_told(served.answers(rows)), [_told(served.answers([row]))[0] for row in rows])


def test_answer_does_not_depend_on_neighbours(served: Served) -> None:
    """A row has the same answer whichever rows are beside it, and however often they are there."""
    first, *others = served.rows
    alone = _told(served.answers([first]))[0]
    for neighbours in ([first] * 3, others[:1], others[-1:] * 50, others):
        assert _same(alone, _told(served.answers([*neighbours, first]))[-1])


def test_order_of_rows_does_not_matter(served: Served) -> None:
    """Rows in another order have the same answers in that order."""
    rows = served.rows
    order = random.Random(42).sample(range(len(rows)), len(rows))
    answers = _told(served.answers(rows))
    assert _same([answers[index] for index in order], _told(served.answers([rows[index] for index in order])))


def test_order_of_keys_does_not_matter(served: Served) -> None:
    """A row whose keys come in another order is the same row and has the same answer."""
    rows = served.rows
    turned = [served.family.row.model_validate(dict(reversed(row.model_dump().items()))) for row in rows]
    assert rows == turned
    assert _told(served.answers(rows)) == _told(served.answers(turned))


def test_refit_is_reproducible(served: Served) -> None:
    """Trained again on the same data, the estimator has the same metrics, the same golden rows and the same probabilities."""
    again = memory.run(served.family, served.version.estimator, served.data, lambda step, done: None)
    card = served.scorer.card
    assert card.metrics == again.draft.metrics
    assert card.golden == again.draft.golden
    values = [served.family.values(row) for row in served.rows]
    assert _same(served.scorer.probabilities(values), Scorer(served.family, card, again.model).probabilities(values))


def test_artefact_round_trips(served: Served) -> None:
    """The published and loaded version answers its golden rows as the model in memory did when it was trained."""
    golden = served.scorer.card.golden
    rows = [served.family.row.model_validate(each.row) for each in golden]
    assert len(golden) > len(served.family.examples)
    assert _same([each.probabilities for each in golden], served.scorer.probabilities([served.family.values(row) for row in rows]))
    assert _same([each.answer for each in golden], _told(served.answers(rows)))


def test_card_is_of_the_family(served: Served) -> None:
    """The card has the features in the order of the row's fields, and as many probabilities per row as classes."""
    card = served.scorer.card
    assert list(served.family.features) == card.features
    assert (served.family.name, served.version.name, served.version.estimator) == (card.family, card.version, card.estimator)
    assert {len(card.classes)} == {len(row) for row in served.scorer.probabilities([served.family.values(row) for row in served.rows])}


def test_raw_data_is_the_same_every_time(served: Served) -> None:
    """The dataset yields the same rows in the same order, and has the same fingerprint, every time it is asked."""
    dataset = served.family.dataset
    assert list(dataset.batches(served.data)) == list(dataset.batches(served.data))
    assert dataset.fingerprint(served.data) == dataset.fingerprint(served.data) == served.version.data_sha256
