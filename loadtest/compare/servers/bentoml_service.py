"""The model behind BentoML alone, batched by BentoML's defaults.

No peer here logs its requests, while twotier logs each of them, as it does by default.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import bentoml
import numpy as np


@bentoml.service(logging={"access": {"enabled": False}})
class Iris:
    """Answers species."""

    def __init__(self) -> None:
        self._model: Any = pickle.loads(Path(os.environ["COMPARE_MODEL"]).read_bytes())

    @bentoml.api(batchable=True)
    def predict(self, rows: np.ndarray) -> np.ndarray:
        """(rows, 4) lengths -> (rows,) species."""
        species: np.ndarray = self._model.predict(rows)
        return species
