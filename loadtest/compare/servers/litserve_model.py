"""LitServe with the model in its worker process, batched as its documentation shows: `litserve_model.py PORT`."""

# No postponed annotations here: LitServe reads those of the methods to learn what a request is.
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import litserve
import numpy as np
from starlette.requests import Request


class Iris(litserve.LitAPI):
    """One flower per request; requests that wait are scored together."""

    def setup(self, device: str) -> None:
        """Load the model into the worker."""
        self._model: Any = pickle.loads(Path(os.environ["COMPARE_MODEL"]).read_bytes())

    def decode_request(self, request: Request) -> list[float]:
        """The row's values; what LitServe hands over is the parsed body, under the name of a request."""
        values: list[float] = request["input"]
        return values

    def predict(self, x: list[list[float]]) -> list[str]:
        """Species of a batch."""
        species: list[str] = self._model.predict(np.asarray(x)).tolist()
        return species

    def encode_response(self, output: str) -> Any:
        """The answer to one request."""
        return {"output": output}


if __name__ == "__main__":
    api = Iris(max_batch_size=64, batch_timeout=0.0)
    litserve.LitServer(api, accelerator="cpu").run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, access_log=False)
