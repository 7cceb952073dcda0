"""What is known of an adopted model -> its family file, for a person to read and edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_training.adopting.code import Code, filled, quoted, written
from model_training.adopting.columns import MISSING, Column

_READERS: Mapping[type, str] = {bool: "truth", int: "int", float: "float", str: "str"}

_LABELS: Mapping[type, str] = {bool: '{} == "True"', int: "int({})", float: "float({})", str: "{}"}
"""The card's label, which is text, as the model's own."""

_FILE = '''"""Adopted from a pickle, {pickle}. What a sample cannot tell was guessed: see to the descriptions, the ranges and the gate.

A row outside the ranges is refused; they leave the room of the sample's span on either side of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING{literal}

from twotier.card import Card
from twotier.datasets import csv_dataset{truth}
{errors}from twotier.family import Answer, Example, Family, Gate, Row, feature, on_request

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin


class {classes}Row(Row):
    """One row to answer."""

{fields}


class {classes}Answer(Answer):
    """Its likeliest label."""

    output: {label}
    probabilities: dict[str, float] | None = on_request("Probability of each label; they add up to 1.")


def decide(probabilities: Sequence[float], card: Card) -> {classes}Answer:
    """Answer the likeliest label."""
    named = dict(zip(card.classes, probabilities, strict=True))
    likeliest = max(named, key=named.__getitem__)
    return {classes}Answer(output={likeliest}, probabilities=named)


def {estimator}() -> ClassifierMixin:
    """What the pickle was, unfitted: `twotier train {name}` fits it.{places}"""
{imports}    {made}


FAMILY = Family(
    name="{name}",
    summary="What {name} is, by the model that was adopted from a pickle",
    row={classes}Row,
    answer={classes}Answer,
    estimators={{"{estimator}": {estimator}}},
    dataset=csv_dataset(
        "{source}",
        target={target},
        columns={{
{readers}
        }},{missing}
    ),
    decide=decide,
    # A floor to begin with: hardly more than chance would reach.
    gate=Gate(metric="{metric}", floor={floor}),
    examples=(
{examples}
    ),
)
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """All that a family file says."""

    name: str
    pickle: str
    """What its file was called."""

    columns: Sequence[Column]
    target: str
    label: type[bool | int | float | str]
    source: str
    """Where raw data for training is, or is to be put, relative to the data folder."""

    estimator: str
    model: Code | str
    """How the estimator is made, or why that could not be written."""

    metric: str
    floor: float
    examples: Sequence[tuple[Mapping[str, Any], Any]]
    """Rows, and the labels that answer them."""


def render(about: Description) -> str:
    """Write the family file."""
    kinds = {column.kind for column in about.columns} | {about.label}
    readers = [(column.name, _READERS[column.kind]) for column in about.columns] + [(about.target, _READERS[about.label])]
    coded = isinstance(about.model, Code)
    imports = about.model.imports if isinstance(about.model, Code) else ()
    return _FILE.format(
        pickle=about.pickle.encode("unicode_escape").decode().replace('"', "'"),
        literal=", Literal" if any(column.choices for column in about.columns) else "",
        truth=", truth" if bool in kinds else "",
        errors="" if coded else "from twotier.errors import ConfigurationError\n",
        classes=about.name.title().replace("_", ""),
        fields="\n".join(map(_field, about.columns)),
        label=about.label.__name__,
        likeliest=_LABELS[about.label].format("likeliest"),
        estimator=about.estimator,
        name=about.name,
        imports="".join(f"    {line}\n" for line in about.model.lines) + "\n" if isinstance(about.model, Code) else "",
        places=" A column's number is its place in a row, from 0." if ("sklearn.compose", "ColumnTransformer") in imports else "",
        made=_made(about),
        source=about.source,
        target=quoted(about.target),
        readers=filled((f"{quoted(name)}: {reader}" for name, reader in readers), 3),
        missing=f"\n        missing=({', '.join(map(quoted, MISSING))})," if any(column.nullable for column in about.columns) else "",
        metric=about.metric,
        floor=about.floor,
        examples="\n".join(_example(row, label) for row, label in about.examples),
    )


def _made(about: Description) -> str:
    if isinstance(about.model, Code):
        return f"return {about.model.expression}"
    words = f"say in the file of family {about.name} how its estimator is made: {about.model}"
    return f"raise ConfigurationError(\n        {quoted(words)}\n    )"


def _field(column: Column) -> str:
    arguments = [f"example={_value(next(iter(column.known)))}"]
    words = column.name
    if column.name != column.field:
        arguments.insert(0, f"name={quoted(column.name)}")
    if column.kind in (int, float):
        words += f"; {min(column.known):.6g} to {max(column.known):.6g} in the sample"
        low, high = column.bounds
        arguments += [f"ge={_value(low)}", f"le={_value(high)}"]
    if column.kind is str and not column.choices:
        arguments.append(f"max_length={max(1_000, *map(len, column.known))}")
    if column.nullable:
        arguments.append("default=None")
    line = f"    {column.field}: {_annotation(column)} = feature({', '.join([quoted(words), *arguments])})"
    return line if len(line) <= 140 else line[: line.index("(") + 1] + "\n" + filled([quoted(words), *arguments], 2) + "\n    )"


def _annotation(column: Column) -> str:
    kind = f"Literal[{', '.join(map(quoted, column.choices))}]" if column.choices else column.kind.__name__
    return f"{kind} | None" if column.nullable else kind


def _example(row: Mapping[str, Any], label: Any) -> str:
    items = filled((f"{quoted(name)}: {_value(value)}" for name, value in row.items()), 4)
    lines = ("Example(", "    row={", items.removeprefix(" " * 8), "    },", f'    answer={{"output": {written(label).expression}}},', "),")
    return "\n".join(" " * 8 + line for line in lines)


def _value(value: Any) -> str:
    """A number without a point where it needs none."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return written(int(value) if whole else value).expression
