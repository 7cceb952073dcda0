"""The lone caller, large calls and trainings against a server whose faults are known, and the whole command against twotier itself."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.beside import ask_until
from loadtest.beside_page import within
from loadtest.busy import a_training, full_rows, large_calls
from loadtest.http_target import target
from loadtest.soak import BODY
from tests.shell import ROOT

pytestmark = pytest.mark.unmeasured


class _Handler(http.server.BaseHTTPRequestHandler):
    """Iris, outcome and training, by their addresses; `jobs` is what a training is seen to be, one look after the other."""

    protocol_version = "HTTP/1.1"
    jobs: list[str]
    species: str

    def do_POST(self) -> None:
        """Answer a row, rows or an order."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/iris/predict":
            self._answer(200, f'{{"output":"{self.species}"}}'.encode())
        elif self.path == "/outcome/predict" and self.species == "Iris-virginica":
            self._answer(200, json.dumps([{**row, "business_outcome": 1, "phat": 0.5} for row in json.loads(body)]).encode())
        elif self.path == "/outcome/predict":
            self._answer(504, b"too late")
        else:
            self._answer(202, b'{"id": "1"}')

    def do_GET(self) -> None:
        """Tell how far the training is."""
        self._answer(200, json.dumps({"id": "1", "status": self.jobs.pop(0)}).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def url() -> Iterator[str]:
    """The server, which answers rightly."""
    _Handler.species = "Iris-virginica"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("species", "right"), [("Iris-virginica", True), ("Iris-setosa", False)])
def test_the_lone_caller(url: str, species: str, right: bool) -> None:
    """It asks until it is told to end, one call after the other, and sees which answers are right."""
    _Handler.species = species
    left = list(range(5))
    calls = ask_until(lambda: not left or left.pop() < 0, target(url + "/iris/predict", BODY))
    assert [right] * 5 == [call.right for call in calls]
    assert all(one.sent + one.seconds <= next_one.sent for one, next_one in zip(calls, calls[1:], strict=False))


def test_the_lone_caller_is_not_left_waiting(url: str) -> None:
    """A connection that is closed under it ends the measurement."""
    to = target(url + "/iris/predict", BODY, {"Connection": "close"})
    with pytest.raises(ConnectionResetError):
        ask_until(lambda: False, to)


def test_large_calls(url: str) -> None:
    """Each is timed and looked at; what was sent from the first to the last of them was beside them."""
    busy = large_calls(url, 100, 3)
    assert (3, []) == (len(busy.seconds), busy.wrong)
    assert pytest.approx(sum(busy.seconds)) == busy.ended - busy.begun
    assert [] == within(busy, ask_until(iter([False, True]).__next__, target(url + "/iris/predict", BODY)))
    _Handler.species = "none"
    assert ["a large call was answered 504: b'too late'"] * 2 == large_calls(url, 100, 2).wrong
    assert 100 == len(full_rows(100)[0])


@pytest.mark.parametrize(
    ("jobs", "wrong"),
    [
        (["queued", "running", "running", "succeeded"], 0),
        (["queued", "running", "running", "failed"], 1),
        (["queued", "succeeded"], 1),
        (["running", "succeeded"], 1),
    ],
)
def test_a_training_is_seen_running(url: str, jobs: list[str], wrong: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than once, and then to have succeeded; else the measurement is wrong."""
    monkeypatch.setattr("loadtest.busy.POLL_SECONDS", 0.01)
    _Handler.jobs = list(jobs)
    assert wrong == len(a_training(url).wrong)
    assert [] == _Handler.jobs


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_the_command(tmp_path: Path) -> None:
    """It starts all there is, and writes the page; every answer is right."""
    page = tmp_path / "page.md"
    options = ["--rounds", "1", "--seconds", "1", "--calls", "1", "--rows", "500", "--page", str(page)]
    done = subprocess.run([sys.executable, "-m", "loadtest.beside", *options], cwd=ROOT, capture_output=True, text=True, timeout=450)
    assert 0 == done.returncode, done.stderr
    assert "| wrong answers | <= 0 | 0 | yes |" in page.read_text(encoding="utf-8").splitlines()
    assert page.read_text(encoding="utf-8") in done.stdout
