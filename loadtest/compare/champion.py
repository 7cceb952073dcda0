"""The model that everybody serves: the champion that twotier trains."""

from __future__ import annotations

import shutil
from pathlib import Path

from model_training.training import train
from twotier.families import discover
from twotier.registry import Registry
from twotier.registry.settings import RegistrySettings
from twotier.settings import SharedSettings

RAW = Path(__file__).parents[2] / "data" / "raw"


def train_champion(data: Path) -> tuple[Path, Path]:
    """Train iris into a new data folder, twice, so that there is a version to promote; the champion's pickle, and the folder."""
    shutil.copytree(RAW, data / "raw")
    registry = Registry.open(RegistrySettings.read(), SharedSettings.read(data=data))
    try:
        version, _ = (train(registry, discover()["iris"], data=data) for _ in range(2))
    finally:
        registry.close()
    return data / "models" / "iris" / version.name / "model.pkl", data
