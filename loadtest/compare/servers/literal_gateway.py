"""Two tiers, taken literally: FastAPI posts every row to BentoML in a call of its own. `literal_gateway.py PORT BENTOML_URL`."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from fastapi import FastAPI, HTTPException
from iris_messages import Answer, Row


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One shared session, with aiohttp's defaults."""
    async with aiohttp.ClientSession() as session:
        app.state.session = session
        yield


app = FastAPI(lifespan=lifespan)


async def _species(rows: list[list[float]]) -> list[str]:
    try:
        async with app.state.session.post(os.environ["COMPARE_BENTOML"], json={"rows": rows}) as reply:
            if reply.status != 200:
                raise HTTPException(502, f"the model server answered {reply.status}")
            species: list[str] = await reply.json()
            return species
    except aiohttp.ClientError as error:
        raise HTTPException(502, f"the model server failed: {error}") from error


@app.post("/iris/predict")
async def predict(row: Row) -> Answer:
    """Answer one row."""
    return Answer(output=(await _species([row.values()]))[0], model_name="log_reg_1")


@app.post("/iris/predict_rows")
async def predict_rows(rows: list[Row]) -> list[Answer]:
    """Answer several rows."""
    return [Answer(output=output, model_name="log_reg_1") for output in await _species([row.values() for row in rows])]


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False)
