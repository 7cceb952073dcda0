"""The load test itself: short runs of its users against real tiers, and against a gateway that is quick and wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.processes import gateway, model_server

pytestmark = pytest.mark.unmeasured


def _load(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loadtest", "--users", "4", "--seconds", "1", *options],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def _requests_and_failures(ran: subprocess.CompletedProcess[str]) -> tuple[int, int]:
    total = next(line for line in ran.stdout.splitlines() + ran.stderr.splitlines() if "Aggregated" in line).split()
    return int(total[1]), int(total[2].partition("(")[0])


@pytest.fixture(scope="module")
def host(all_trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway that is ready."""
    folder = tmp_path_factory.mktemp("load")
    data = Path(shutil.copytree(all_trained, folder / "data"))
    with model_server(data, folder / "model_server.log") as back, gateway(back.url, folder / "gateway.log") as front:
        front.wait_ready()
        yield front.url


@pytest.mark.parametrize("scenario", ["single", "batch", "mixed"])
def test_every_answer_is_right(host: str, scenario: str) -> None:
    """No answer to any of the users is wrong."""
    ran = _load("--host", host, "--scenario", scenario)

    asked, failed = _requests_and_failures(ran)
    assert (0, 0) == (ran.returncode, failed), ran.stdout + ran.stderr
    assert asked > 0


def test_without_a_host(all_trained: Path, tmp_path: Path) -> None:
    """Without a host, both tiers are started for the run and stopped after it."""
    data = shutil.copytree(all_trained, tmp_path / "data")

    ran = _load(TWOTIER_DATA=str(data))

    asked, failed = _requests_and_failures(ran)
    assert (0, 0) == (ran.returncode, failed), ran.stdout + ran.stderr
    assert asked > 0
    assert 3 == ran.stderr.count("Finished server process")


def test_tiers_that_do_not_start(tmp_path: Path) -> None:
    """Where the tiers cannot start, there is no run, and it does not pass."""
    ran = _load(TWOTIER_DATA=str(tmp_path))

    assert 1 == ran.returncode
    assert ran.stderr.endswith("the tiers did not start: see above\n")


class _Liar(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"output":"Iris-tigrina","model_name":"log_reg_1"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.mark.parametrize("scenario", ["single", "batch"])
def test_wrong_answers_fail_the_run(scenario: str) -> None:
    """The control: a gateway that answers 200 with a species that does not exist fails every request, and the run."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Liar) as liar:
        threading.Thread(target=liar.serve_forever, kwargs={"poll_interval": 0.01}).start()
        ran = _load("--host", f"http://127.0.0.1:{liar.server_port}", "--scenario", scenario)
        liar.shutdown()

    asked, failed = _requests_and_failures(ran)
    assert 1 == ran.returncode
    assert asked == failed > 0


def test_nobody_there_fails_the_run() -> None:
    """The control: where nobody listens, every request fails, and the run."""
    ran = _load("--host", "http://127.0.0.1:9")

    asked, failed = _requests_and_failures(ran)
    assert (1, asked) == (ran.returncode, failed)
