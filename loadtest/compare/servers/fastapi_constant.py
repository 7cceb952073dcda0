"""The FastAPI app of `fastapi_model.py` without its model: what all but the model costs there. `fastapi_constant.py PORT`."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI
from iris_messages import Answer, Row

app = FastAPI()


@app.post("/iris/predict")
async def predict(row: Row) -> Answer:
    """Answer one row, always alike."""
    return Answer(output="Iris-virginica", model_name="none")


if __name__ == "__main__":
    uvicorn.run("fastapi_constant:app", host="127.0.0.1", port=int(sys.argv[1]), access_log=False)
