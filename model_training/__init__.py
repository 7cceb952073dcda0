"""Training: raw data in, versions that passed their gate out. The data folder is always handed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model_training.training import train, train_all

__all__ = ["train", "train_all"]


def __getattr__(name: str) -> Any:
    """Import them when they are wanted: they bring scikit-learn along, which the training service can do without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from model_training import training

    return getattr(training, name)
