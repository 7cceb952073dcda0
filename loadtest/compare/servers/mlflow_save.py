"""Write the model as MLflow keeps one: `mlflow_save.py PICKLE FOLDER`."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import mlflow.sklearn

if __name__ == "__main__":
    mlflow.sklearn.save_model(pickle.loads(Path(sys.argv[1]).read_bytes()), sys.argv[2], pip_requirements=[], serialization_format="pickle")
