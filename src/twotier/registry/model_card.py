"""MODEL_CARD.md: the card for people. Its form follows Mitchell et al., Model Cards for Model Reporting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from twotier.card import Card
from twotier.family import Family
from twotier.registry.records import Draft


def render(family: Family, card: Card, draft: Draft) -> str:
    """Write the model card in Markdown."""
    parts = [
        f"# {card.family} {card.version}",
        f"{family.summary}. Made by the estimator `{card.estimator}` on {card.created_at:%Y-%m-%d %H:%M:%S} UTC.",
        "## Data",
        _data(card),
        "## Metrics",
        f"The gate judges by `{family.gate.metric}`, of which at least {family.gate.floor} is wanted on the held-out rows.",
        *(["Those of `train` are of a sample of its rows, as the engine `stream` takes it."] if card.data.engine == "stream" else []),
        _metrics(card),
        *(f"![{shows}]({name})" for name, (shows, _) in draft.figures.items()),
        "## Features",
        _features(card),
        "## Answers",
        f"Classes: {', '.join(f'`{label}`' for label in card.classes)}."
        + _cutoff(family, card),
        *([_table(("option", "value"), ((f"`{name}`", f"`{value}`") for name, value in card.options.items()))] if card.options else []),
        "## Parameters",
        _table(("parameter", "value"), ((f"`{name}`", f"`{value}`") for name, value in card.parameters.items())),
        "## Made with",
        _table(("library", "version"), card.libraries.items()),
    ]
    if draft.sources:
        parts.append(_table(("code", "SHA-256"), draft.sources.items()))
    parts += [
        "## Check and load it",
        f"`Registry.load({card.family!r}, {card.version!r})` verifies the signature and every digest in `manifest.json` before it unpickles"
        f" `model.pkl`, then replays the {len(card.golden)} golden rows of `card.json`. Do not unpickle the file by other means: a pickle"
        " may run any code.",
        "## Limits",
        "It knows nothing beyond the rows that it has seen: outside the ranges above it extrapolates, and where the world has changed"
        " since, its metrics no longer hold. This page was written before the gate ran: the ledger says whether the version passed.",
    ]
    return "\n\n".join(parts) + "\n"


def _data(card: Card) -> str:
    source = f"`{card.data.source}`, SHA-256 `{card.data.sha256}`"
    if card.adopted:
        return (
            f"Adopted from a pickle, SHA-256 `{card.adopted}`: what that had learnt from is not known here. It was described by the"
            f" {card.data.test_rows} rows of {source}, which may have been among it."
        )
    # The engine that streams cannot know how common a label is before it has seen all rows.
    split = f"by {'chance' if card.data.engine == 'stream' else 'a stratified split'} with seed {card.data.seed}"
    return f"{source}. {card.data.train_rows} rows to train on and {card.data.test_rows} held out, {split}."


def _cutoff(family: Family, card: Card) -> str:
    if family.cutoff is None or card.cutoff is None:
        return ""
    return (
        f" The decision is `{family.cutoff.positive}` where its probability is at least {card.cutoff:.6g}: quantile"
        f" {family.cutoff.quantile:g} of what this version gives the rows that it was trained on."
    )


def _metrics(card: Card) -> str:
    names = dict.fromkeys(name for values in card.metrics.values() for name in values)
    rows = ((name, *(f"{values[name]:.5f}" if name in values else "" for values in card.metrics.values())) for name in names)
    return _table(("metric", *card.metrics), rows)


def _features(card: Card) -> str:
    rows = []
    for name in card.features:
        about = card.row_schema["properties"][name]
        spread = card.ranges.get(name)
        span = (f"{spread.minimum:.6g} to {spread.maximum:.6g}", f"{spread.mean:.6g}") if spread else ("", "")
        words = ", ".join(f"`{word}`" for word in _words(card.row_schema, about))
        limits = f". One of {words}; any other word is refused" if words else ""
        rows.append((f"`{name}`", about.get("description", "") + limits, about.get("unit", ""), *span))
    return _table(("feature", "what it is", "unit", "in training", "mean"), rows)


def _words(schema: dict[str, Any], about: dict[str, Any]) -> list[str]:
    """The words that a feature takes, if it takes no others. Nothing at all, where it may be that, is no word."""
    if "$ref" in about:
        about = schema["$defs"][about["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in about:
        return [word for part in about["anyOf"] for word in _words(schema, part)]
    return [value for value in about.get("enum", [about.get("const")]) if value and isinstance(value, str)]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines)
