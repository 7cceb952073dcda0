"""Routes of the systems that this one replaces, so that their clients need no change.

Each keeps its old contract in what it takes and answers, is answered as the native route is, and is deprecated. What is wrong is told as
everywhere: by a problem with pointers into what was sent. A route whose family is not installed does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping

from twotier.families import Families
from twotier.gateway.catalogue import Catalogue
from twotier.gateway.openapi import Routes
from twotier.gateway.predicting import Predicting
from twotier.gateway.readiness import Lifecycle
from twotier.gateway.routes.heritage import flowers, outcomes, texts, training, trees
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.training import Training

__all__ = ["add"]


def add(
    routes: Routes,
    families: Families,
    predicting: Mapping[str, Predicting],
    catalogue: Catalogue,
    lifecycle: Lifecycle,
    trainer: Training,
    settings: GatewaySettings,
) -> None:
    """Add the routes of the families that there are."""
    if "iris" in families:
        flowers.add(routes, families["iris"], predicting["iris"], settings)
        trees.add(routes, families["iris"], predicting["iris"], settings)
        if training.TREE in families["iris"].estimators:
            training.add(routes, families["iris"], trainer, catalogue, settings)
    if "outcome" in families:
        outcomes.add(routes, families["outcome"], predicting["outcome"], settings)
    if "sentiment" in families:
        texts.add(routes, families["sentiment"], predicting["sentiment"], catalogue, lifecycle, settings)
