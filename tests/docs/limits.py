"""Where the models stop serving well: the tables of docs/explanation/models.md that say so, printed in Markdown.

`python -m tests.docs.limits iris|credit|outcome|sentiment`. Every estimator is trained anew, and asked about rows that training kept apart
or, for outcome, has not generated.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score

from loadtest.compare.tables import table
from model_training import train
from model_training.pipelines.read import Labelled, read
from model_training.pipelines.split import split
from tests.folders import registry_over, with_raw_data
from twotier.families import discover, outcome
from twotier.families.sentiment import negated, tokens
from twotier.scorer import Scorer

FRESH = 2027
"""The seed of outcome's rows: not that of training."""

SENTENCES = (
    "not bad",
    "I can't say that I have ever enjoyed it",
    "oh great, another delay. just what I needed",
    "das war ein wunderbarer Tag",
)


def iris(scorers: Mapping[str, Scorer], held_out: Labelled) -> Iterator[Sequence[str]]:
    """Flowers as they are, by species, and sent in other units than centimetres: how many are known, and how sure the answers are."""
    yield "flowers", "rows", *(f"{name}: {what}" for name in scorers for what in ("right", "mean probability of its answer"))
    groups: list[tuple[str, Labelled]] = [("held-out rows", held_out)]
    groups += [(f"of them, {species}", _where(held_out, lambda _, label: label == species)) for species in sorted(set(held_out.labels))]
    for unit, factor in (("inches", 1 / 2.54), ("millimetres", 10)):
        sent = [[cell * factor for cell in row] for row in held_out.rows]
        groups.append((f"all of them, sent in {unit}", Labelled(sent, held_out.labels)))
    for name, data in groups:
        cells = []
        for scorer in scorers.values():
            probabilities = np.array(scorer.probabilities(data.rows))
            given = [scorer.card.classes[at] for at in probabilities.argmax(axis=1)]
            cells += [_share(np.array(given) == data.labels), f"{probabilities.max(axis=1).mean():.3f}"]
        yield name, str(len(data.rows)), *cells


def credit(scorers: Mapping[str, Scorer], held_out: Labelled) -> Iterator[Sequence[str]]:
    """Kinds of applications: what is said of them, and what happened."""
    heads = (f"{name}: {what}" for name in scorers for what in ("mean phat", "auc"))
    yield "held-out applications", "rows", "went bad", *heads
    at = discover()["credit"].features.index
    kinds: dict[str, Callable[[Sequence[Any], Any], bool]] = {
        "all": lambda row, label: True,
        "without records": lambda row, label: row[at("Records")] == "no",
        "with records": lambda row, label: row[at("Records")] == "yes",
        "income known": lambda row, label: row[at("Income")] is not None,
        "income missing": lambda row, label: row[at("Income")] is None,
        "up to 25 years old": lambda row, label: row[at("Age")] <= 25,
        "over 60 years old": lambda row, label: row[at("Age")] > 60,
        "for the whole price or more": lambda row, label: row[at("Amount")] >= row[at("Price")],
    }
    groups = {name: _where(held_out, belongs) for name, belongs in kinds.items()}
    untold = [[None if place == at("Income") else cell for place, cell in enumerate(row)] for row in held_out.rows]
    groups["all, and nobody's income sent"] = Labelled(untold, held_out.labels)
    for name, data in groups.items():
        bad = np.array(data.labels) == "bad"
        said = [_positive(scorer, data.rows) for scorer in scorers.values()]
        yield name, f"{len(bad):,}", _share(bad), *(cell for each in said for cell in (f"{each.mean():.3f}", _auc(bad, each)))


def tenths(scorers: Mapping[str, Scorer], held_out: Labelled) -> Iterator[Sequence[str]]:
    """From what each estimator takes for the safest tenth of the applications to the riskiest: what it says, and what happened."""
    yield "tenth", *(f"{name}: {what}" for name in scorers for what in ("mean phat", "went bad"))
    bad = np.array(held_out.labels) == "bad"
    said = [_positive(scorer, held_out.rows) for scorer in scorers.values()]
    parts = [np.array_split(np.argsort(each, kind="stable"), 10) for each in said]
    for tenth in range(10):
        cells = ((f"{each[part[tenth]].mean():.3f}", _share(bad[part[tenth]])) for each, part in zip(said, parts, strict=True))
        yield str(tenth + 1), *(cell for pair in cells for cell in pair)


def fresh(scorers: Mapping[str, Scorer], _: Labelled) -> Iterator[Sequence[str]]:
    """Fresh rows as training has them, and with something about all of them changed."""
    yield "10,000 fresh rows", "refused", "auc", "decided 1"
    (scorer,) = scorers.values()
    (batch,) = outcome.generate(FRESH, 10_000)
    bought = np.array(batch[outcome.TARGET])
    names = scorer.family.features
    rows = [dict(zip(names, cells, strict=True)) for cells in zip(*(batch[name] for name in names), strict=True)]
    changes: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "as generated": lambda row: {},
        "`x81` (a month) left out": lambda row: {"x81": None},
        "the seven numbers that labels follow left out": lambda row: dict.fromkeys(outcome.WEIGHTS),
        "`x44` sent as a percentage": lambda row: {"x44": row["x44"] and row["x44"] * 100},
        "`x12` $5,000 higher for everybody": lambda row: {"x12": _dollars(row["x12"]) + 5_000},
        "`x5` with a capital letter": lambda row: {"x5": row["x5"].title()},
        "`x31` a country that training did not have": lambda row: {"x31": "france"},
    }
    for name, change in changes.items():
        taken, values = [], []
        for number, row in enumerate(rows):
            try:
                values.append(scorer.family.values(scorer.family.row.model_validate(row | change(row))))
            except ValidationError:
                continue
            taken.append(number)
        phat = _positive(scorer, values) if values else np.array([])
        positive = [scorer.card.positive(each) for each in phat.tolist()]
        yield name, _share(1 - len(taken) / len(rows)), *((_auc(bought[taken], phat), _share(positive)) if taken else ("", ""))
    yield "as generated, by the logit that made the labels", "", _auc(bought, _logits(rows)), ""


def sentiment(scorers: Mapping[str, Scorer], held_out: Labelled) -> Iterator[Sequence[str]]:
    """Kinds of texts, and sentences of our own with their answers."""
    yield "held-out texts", "rows", "right", "auc"
    (scorer,) = scorers.values()
    groups: dict[str, Callable[[Sequence[Any], Any], bool]] = {
        "all": lambda row, label: True,
        "positive ones": lambda row, label: label == "POSITIVE",
        "negative ones": lambda row, label: label == "NEGATIVE",
        "with a negation": lambda row, label: any(negated(tokens(row[0]))),
        "without": lambda row, label: not any(negated(tokens(row[0]))),
        "up to 40 characters": lambda row, label: len(row[0]) <= 40,
        "over 120 characters": lambda row, label: len(row[0]) > 120,
    }
    for name, belongs in groups.items():
        data = _where(held_out, belongs)
        positive = np.array(data.labels) == "POSITIVE"
        scores = _positive(scorer, data.rows)
        yield name, f"{len(positive):,}", _share((scores >= 0.5) == positive), _auc(positive, scores)
    for sentence, score in zip(SENTENCES, _positive(scorer, [[sentence] for sentence in SENTENCES]), strict=True):
        yield f"“{sentence}”", "", f"answered {'POSITIVE' if score >= 0.5 else 'NEGATIVE'}, score {score:.3f}", ""


TABLES: dict[str, list[Callable[[Mapping[str, Scorer], Labelled], Iterator[Sequence[str]]]]] = {
    "iris": [iris], "credit": [credit, tenths], "outcome": [fresh], "sentiment": [sentiment],
}


def tables(family: str) -> list[str]:
    """Those of that family."""
    with tempfile.TemporaryDirectory() as folder:
        data = with_raw_data(Path(folder, "data"))
        with registry_over(data) as registry:
            known = registry.families[family]
            versions = [train(registry, known, estimator, data=data) for estimator in known.estimators]
            scorers = {version.estimator: registry.load(family, version.name) for version in versions}
            held_out = split(read(known, data))[1]
            made = [list(each(scorers, held_out)) for each in TABLES[family]]
    return [table(head, rows) for head, *rows in made]


def _where(data: Labelled, belongs: Callable[[Sequence[Any], Any], bool]) -> Labelled:
    pairs = [(row, label) for row, label in zip(data.rows, data.labels, strict=True) if belongs(row, label)]
    return Labelled([row for row, _ in pairs], [label for _, label in pairs])


def _positive(scorer: Scorer, rows: Sequence[Sequence[Any]]) -> Any:
    """The probability of the label that the family asks about."""
    return np.array(scorer.probabilities(rows))[:, scorer.positive]


def _auc(truth: Any, scores: Any) -> str:
    return f"{roc_auc_score(truth, scores):.3f}" if len(set(truth.tolist())) == 2 else ""


def _share(truths: Any) -> str:
    return f"{np.mean(truths):.3f}"


def _dollars(text: str) -> float:
    bare = float(text.strip(" $()").replace(",", "").removeprefix("$"))
    return -bare if text.startswith("(") else bare


def _logits(rows: Iterable[Mapping[str, Any]]) -> Any:
    """What the labels were made by, as far as the cells tell: a missing number stands for its centre, and a missing word for nothing."""

    def logit(row: Mapping[str, Any]) -> float:
        numbers = {**row, "x12": _dollars(row["x12"])}
        told = [weight * (numbers[name] - centre) for name, (weight, centre) in outcome.WEIGHTS.items() if numbers[name] is not None]
        return float(sum(told) + sum(words.get(row[name], 0) for name, words in outcome.WORDS.items()))

    return np.array([logit(row) for row in rows])


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("family", choices=TABLES)
    print(*tables(options.parse_args().family), sep="\n\n")
