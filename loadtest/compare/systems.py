"""What is compared: how each system is started, and what it is asked."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

SERVERS = Path(__file__).parent / "servers"

ROW = {"SepalLengthCm": 5.0, "SepalWidthCm": 2.0, "PetalLengthCm": 3.0, "PetalWidthCm": 4.0}
SPECIES = b"Iris-virginica"
"""The one row that everybody is asked about, and what every right answer to it contains."""

VALUES = list(ROW.values())


@dataclass(frozen=True, slots=True)
class Stage:
    """What a system is given to be started with."""

    programs: Callable[[str | None], Path]
    """Name of an environment -> the folder of its programs."""

    model: Path
    """The champion's pickle."""

    data: Path
    """twotier's data folder, in which it is the champion."""

    folder: Path
    """A folder for files of the system's own."""

    ports: Sequence[int]
    """Four free ports; callers ask the first."""

    def url(self, index: int = 0) -> str:
        """The base URL at one of the ports."""
        return f"http://127.0.0.1:{self.ports[index]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process to start. `role` is how it is called in the table of memory."""

    role: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = SERVERS


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One of the compared."""

    name: str
    title: str
    environments: tuple[str | None, ...]
    """Those that it needs; None is twotier's own."""

    packages: tuple[str, ...]
    """Whose versions are worth showing."""

    path: str
    body: bytes
    start: Callable[[Stage], list[Process]]
    bulk: tuple[str, Callable[[int], bytes]] | None = None
    """Path and body for many rows in one call; None if there is no way to."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """What callers with a deadline say of it."""


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _twotier(gateways: int) -> Callable[[Stage], list[Process]]:
    """Both tiers; several gateways share the port."""

    def start(stage: Stage) -> list[Process]:
        python = str(stage.programs("twotier") / "python")
        model_server = {"TWOTIER_DATA": str(stage.data), "MODEL_SERVER_PORT": str(stage.ports[1]), "BENTOML_DO_NOT_TRACK": "True"}
        ports = {"GATEWAY_PORT": str(stage.ports[0]), "GATEWAY_MODEL_SERVERS": json.dumps([stage.url(1)])}
        gateway = {"TWOTIER_DATA": str(stage.data), **ports}
        own = [{"GATEWAY_OWN_PORT": str(stage.ports[2 + number])} if gateways > 1 else {} for number in range(gateways)]
        return [
            Process(role="model server", command=[python, "-m", "twotier.model_server"], environment=model_server, folder=stage.folder),
            *(
                Process(
                    role=f"gateway {number}" if each else "gateway",
                    command=[python, "-m", "twotier.gateway"],
                    environment=gateway | each,
                    folder=stage.folder,
                )
                for number, each in enumerate(own, 1)
            ),
        ]

    return start


def _up(stage: Stage) -> list[Process]:
    ports = dict(zip(("GATEWAY_PORT", "MODEL_SERVER_PORT", "TRAINING_PORT"), map(str, stage.ports), strict=False))
    command = [str(stage.programs(None) / "python"), "-m", "twotier.cli", "up"]
    return [Process(role="all", command=command, environment={"TWOTIER_DATA": str(stage.data), **ports}, folder=stage.folder)]


def _constant(stage: Stage) -> list[Process]:
    environment = {"TWOTIER_DATA": str(stage.data), "GATEWAY_PORT": str(stage.ports[0])}
    return [Process(role="gateway", command=[str(stage.programs("twotier") / "python"), "constant.py"], environment=environment)]


def _bare(stage: Stage) -> list[Process]:
    return [Process(role="server", command=[str(stage.programs(None) / "python"), "bare.py", str(stage.ports[0])])]


def _bentoml(stage: Stage, port: int = 0) -> list[Process]:
    options = ["--host", "127.0.0.1", "--port", str(stage.ports[port])]
    environment = {"COMPARE_MODEL": str(stage.model), "BENTOML_DO_NOT_TRACK": "True"}
    command = [str(stage.programs("bentoml") / "bentoml"), "serve", "bentoml_service:Iris", *options]
    return [Process(role="model server", command=command, environment=environment)]


def _literal(stage: Stage) -> list[Process]:
    command = [str(stage.programs("fastapi") / "python"), "literal_gateway.py", str(stage.ports[0])]
    gateway = Process(role="gateway", command=command, environment={"COMPARE_BENTOML": f"{stage.url(1)}/predict"})
    return [*_bentoml(stage, 1), gateway]


def _fastapi(workers: int) -> Callable[[Stage], list[Process]]:
    def start(stage: Stage) -> list[Process]:
        command = [str(stage.programs("fastapi") / "python"), "fastapi_model.py", str(stage.ports[0]), str(workers)]
        return [Process(role="server", command=command, environment={"COMPARE_MODEL": str(stage.model)})]

    return start


def _fastapi_constant(stage: Stage) -> list[Process]:
    command = [str(stage.programs("fastapi") / "python"), "fastapi_constant.py", str(stage.ports[0])]
    return [Process(role="server", command=command)]


def _mlserver(stage: Stage) -> list[Process]:
    http, grpc, metrics, _ = stage.ports
    settings = {"host": "127.0.0.1", "http_port": http, "grpc_port": grpc, "metrics_port": metrics, "debug": False}
    model = {"name": "iris", "implementation": "mlserver_sklearn.SKLearnModel", "parameters": {"uri": str(stage.model)}}
    (stage.folder / "settings.json").write_bytes(_json(settings))
    (stage.folder / "model-settings.json").write_bytes(_json(model))
    return [Process(role="server", command=[str(stage.programs("mlserver") / "mlserver"), "start", "."], folder=stage.folder)]


def _litserve(stage: Stage) -> list[Process]:
    command = [str(stage.programs("litserve") / "python"), "litserve_model.py", str(stage.ports[0])]
    return [Process(role="server", command=command, environment={"COMPARE_MODEL": str(stage.model)})]


def _mlflow(stage: Stage) -> list[Process]:
    programs = stage.programs("mlflow")
    saved = stage.folder / "model"
    if not saved.exists():
        subprocess.run([programs / "python", SERVERS / "mlflow_save.py", stage.model, saved], check=True, timeout=120, capture_output=True)
    command = [str(programs / "mlflow"), "models", "serve", "-m", str(saved), "-p", str(stage.ports[0]), "--env-manager", "local"]
    # It starts uvicorn by name, and uvicorn takes its options from the environment.
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "UVICORN_ACCESS_LOG": "false"}
    return [Process(role="server", command=command, environment=environment, folder=stage.folder)]


def _tensor(rows: int) -> bytes:
    return _json({"inputs": [{"name": "rows", "shape": [rows, 4], "datatype": "FP64", "data": VALUES * rows}]})


_GATEWAY: dict[str, Any] = {"path": "/iris/predict", "body": _json(ROW)}
_PLAIN_BULK = ("/iris/predict_rows", lambda rows: _json([ROW] * rows))
_OWN_BULK = ("/iris/predict", lambda rows: _json([ROW] * rows))
_FASTAPI = ("fastapi", "starlette", "uvicorn", "uvloop", "scikit-learn")

_TWOTIER = System(
    name="twotier",
    title="twotier, both tiers",
    environments=("twotier",),
    packages=("twotier", "fastapi", "bentoml", "uvloop", "scikit-learn"),
    start=_twotier(1),
    bulk=_OWN_BULK,
    headers={"X-Request-Deadline-Ms": "1000"},
    **_GATEWAY,
)

SYSTEMS = (
    _TWOTIER,
    replace(_TWOTIER, name="twotier-2", title="twotier, both tiers, 2 gateways", start=_twotier(2)),
    System(
        name="literal",
        title="FastAPI, a call to BentoML per request",
        environments=("fastapi", "bentoml"),
        packages=("fastapi", "aiohttp", "bentoml", "scikit-learn"),
        start=_literal,
        bulk=_PLAIN_BULK,
        **_GATEWAY,
    ),
    System(
        name="bentoml",
        title="BentoML, called directly",
        environments=("bentoml",),
        packages=("bentoml", "starlette", "uvicorn", "uvloop", "scikit-learn"),
        start=_bentoml,
        path="/predict",
        body=_json({"rows": [VALUES]}),
        bulk=("/predict", lambda rows: _json({"rows": [VALUES] * rows})),
    ),
    System(
        name="fastapi",
        title="FastAPI, model in process",
        environments=("fastapi",),
        packages=_FASTAPI,
        start=_fastapi(1),
        bulk=_PLAIN_BULK,
        **_GATEWAY,
    ),
    System(
        name="fastapi-2",
        title="FastAPI, model in process, 2 workers",
        environments=("fastapi",),
        packages=_FASTAPI,
        start=_fastapi(2),
        bulk=_PLAIN_BULK,
        **_GATEWAY,
    ),
    System(
        name="fastapi-constant",
        title="the same FastAPI app, answering a constant",
        environments=("fastapi",),
        packages=_FASTAPI[:-1],
        start=_fastapi_constant,
        **_GATEWAY,
    ),
    System(
        name="constant",
        title="twotier's gateway, answering a constant",
        environments=("twotier",),
        packages=("twotier", "fastapi", "starlette", "uvicorn", "uvloop"),
        start=_constant,
        bulk=_OWN_BULK,
        headers={"X-Request-Deadline-Ms": "1000"},
        **_GATEWAY,
    ),
    System(
        name="mlserver",
        title="MLServer",
        environments=("mlserver",),
        packages=("mlserver", "mlserver-sklearn", "fastapi", "uvicorn", "scikit-learn"),
        start=_mlserver,
        path="/v2/models/iris/infer",
        body=_tensor(1),
        bulk=("/v2/models/iris/infer", _tensor),
    ),
    System(
        name="litserve",
        title="LitServe",
        environments=("litserve",),
        packages=("litserve", "fastapi", "uvicorn", "uvloop", "scikit-learn"),
        start=_litserve,
        path="/predict",
        body=_json({"input": VALUES}),
    ),
    System(
        name="mlflow",
        title="MLflow models serve",
        environments=("mlflow",),
        packages=("mlflow", "fastapi", "uvicorn", "pandas", "scikit-learn"),
        start=_mlflow,
        path="/invocations",
        body=_json({"inputs": [VALUES]}),
        bulk=("/invocations", lambda rows: _json({"inputs": [VALUES] * rows})),
    ),
)
"""In the order in which they are measured and shown."""

UP = System(name="up", title="twotier up", environments=(None,), packages=("twotier",), start=_up, **_GATEWAY)
"""How long it takes from the command to the first answer."""

BARE = System(name="bare", title="a server that does nothing", environments=(None,), packages=("uvloop",), start=_bare, **_GATEWAY)
"""What the clients are measured against."""
