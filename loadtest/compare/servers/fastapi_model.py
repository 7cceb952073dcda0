"""FastAPI with the model in process: `fastapi_model.py PORT WORKERS`."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from iris_messages import Answer, Row

app = FastAPI()
model: Any = pickle.loads(Path(os.environ["COMPARE_MODEL"]).read_bytes())


# On the event loop: a thread per call would cost more than scoring one row does.
@app.post("/iris/predict")
async def predict(row: Row) -> Answer:
    """Answer one row."""
    return Answer(output=model.predict(np.array([row.values()]))[0], model_name="log_reg_1")


@app.post("/iris/predict_rows")
async def predict_rows(rows: list[Row]) -> list[Answer]:
    """Answer several rows."""
    species = model.predict(np.array([row.values() for row in rows]))
    return [Answer(output=output, model_name="log_reg_1") for output in species]


if __name__ == "__main__":
    uvicorn.run("fastapi_model:app", host="127.0.0.1", port=int(sys.argv[1]), workers=int(sys.argv[2]), access_log=False)
