"""What an artefact is made of: the model, its cards for programs and people, figures, reference sample, manifest and signature."""

from __future__ import annotations

import platform
from datetime import datetime
from importlib.metadata import version as installed

from twotier.card import Card
from twotier.family import Family
from twotier.registry import model_card
from twotier.registry.keys import SigningKey
from twotier.registry.manifest import Files, sign
from twotier.registry.records import Draft

MODEL = "model.pkl"
CARD = "card.json"
MODEL_CARD = "MODEL_CARD.md"
REFERENCE = "reference.csv"

LIBRARIES = ("scikit-learn", "numpy", "scipy", "twotier")
"""What a card names beside Python."""


def write_card(family: Family, estimator: str, version: str, created_at: datetime, draft: Draft) -> Card:
    """Make a draft a card, as a reader of the artefact will find it."""
    card = Card(
        family=family.name,
        version=version,
        estimator=estimator,
        created_at=created_at,
        features=list(family.features),
        classes=draft.classes,
        adopted=draft.adopted,
        cutoff=draft.cutoff,
        options=family.options.model_dump(mode="json"),
        parameters=dict(draft.parameters),
        metrics={split: dict(values) for split, values in draft.metrics.items()},
        data=draft.data,
        ranges=dict(draft.ranges),
        libraries={"python": platform.python_version(), **{library: installed(library) for library in LIBRARIES}},
        golden=draft.golden,
        row_schema=family.row.model_json_schema(),
        answer_schema=family.answer.model_json_schema(mode="serialization"),
    )
    return Card.model_validate_json(card.model_dump_json())


def assemble(family: Family, card: Card, pickled: bytes, draft: Draft, key: SigningKey) -> Files:
    """Make every file of the artefact, the signature last."""
    files = {
        MODEL: pickled,
        CARD: card.model_dump_json(indent=2).encode(),
        MODEL_CARD: model_card.render(family, card, draft).encode(),
        REFERENCE: draft.reference.encode(),
        **{name: png for name, (_, png) in draft.figures.items()},
    }
    return {**files, **sign(card.family, card.version, card.created_at, files, key)}
