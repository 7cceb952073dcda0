"""Runs in an environment that has KServe's Python client: asks what it is told on its input, and prints what it was answered as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

NUMPY = {"FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}


def tensor(told: dict[str, Any], binary: bool) -> InferInput:
    """An input of KServe's client, in which None is NaN."""
    made = InferInput(told["name"], told["shape"], told["datatype"], parameters={})
    made.set_data_from_numpy(np.array(told["data"], dtype=NUMPY[told["datatype"]]).reshape(told["shape"]), binary_data=binary)
    return made


def plain(values: Any) -> list[Any]:
    """Values as JSON has them."""
    return [value.decode() if isinstance(value, bytes) else value for value in values.flatten().tolist()]


async def infer(client: InferenceRESTClient, url: str, call: dict[str, Any]) -> dict[str, Any]:
    """What is inferred, or why it is not."""
    inputs = [tensor(each, call["binary"]) for each in call["inputs"]]
    request = InferRequest(call["model"], inputs, "a/1", parameters={"binary_data_output": call["binary"]})
    try:
        response = await client.infer(url, request, call["model"])
    except httpx.HTTPStatusError as error:
        return {"status": error.response.status_code, "refused": str(error)}
    outputs = [
        {"name": one.name, "shape": one.shape, "datatype": one.datatype, "parameters": one.parameters, "data": plain(one.as_numpy())}
        for one in response.outputs
    ]
    return {"id": response.id, "model": response.model_name, "outputs": outputs}


async def main() -> None:
    """Ask in order."""
    asked = json.load(sys.stdin)
    url = asked["url"]
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        answered = {
            "live": await client.is_server_live(url),
            "ready": await client.is_server_ready(url),
            "models": [await client.is_model_ready(url, model) for model in asked["models"]],
            "calls": [await infer(client, url, call) for call in asked["calls"]],
        }
    json.dump(answered, sys.stdout)


asyncio.run(main())
