"""The comparison against servers whose faults are known, and its smoke run against twotier itself."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from loadtest.compare import __main__ as command
from loadtest.compare import environments, wrk
from loadtest.compare.headline import BEGIN, END, headline
from loadtest.compare.measuring import QUICK, Effort, bulk, closed, guarded, lone, measure, overload
from loadtest.compare.running import NotRunning, Running, cpu_of, free_ports, memory_of
from loadtest.compare.systems import ROW, SYSTEMS, Process, Stage, System
from loadtest.tally import Latencies

pytestmark = pytest.mark.unmeasured

# HTTP/1.1 with the standard library alone; the client of the comparison sends Accept-Encoding: identity, and wrk does not.
SERVER = '''
import http.server, signal, subprocess, sys

port, mode = int(sys.argv[1]), sys.argv[2]
bulk = 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        global bulk
        bulk += len(body) > 1000
        fails = mode == "fails-fast" and "Accept-Encoding" not in self.headers or mode == "tires" and bulk > 2 and len(body) > 1000
        answer = b"Rosa" if mode == "wrong" else b"Iris-virginica " * body.count(b"SepalLengthCm")
        self.send_response(500 if fails else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


if mode == "dies":
    sys.exit("no such model")
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == "orphans":
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Server(("127.0.0.1", port), Handler).serve_forever()
'''

NEEDS_WRK = pytest.mark.skipif(not shutil.which("wrk") and os.geteuid() != 0, reason="wrk is missing, and only root can install it")


@pytest.fixture(scope="module", autouse=True)
def _wrk() -> Iterator[None]:
    if os.geteuid() == 0:
        wrk.require_wrk()
    yield


def scripted(folder: Path, mode: str = "good") -> System:
    """A system of one process with that fault."""
    script = folder / "server.py"
    script.write_text(SERVER)

    def start(stage: Stage) -> list[Process]:
        return [Process(role="server", command=[sys.executable, str(script), str(stage.ports[0]), mode])]

    body = json.dumps(ROW).encode()
    return System(
        name=mode, title=mode, environments=(None,), packages=("psutil",), path="/iris/predict", body=body, start=start,
        bulk=("/iris/predict", lambda rows: json.dumps([ROW] * rows).encode()),
    )


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Any]:
    """Makes a running system of a mode; all are ended after the test."""
    made: list[Running] = []

    def start(mode: str = "good") -> Running:
        stage = Stage(programs=environments.programs, model=tmp_path, data=tmp_path, folder=tmp_path, ports=free_ports(4))
        made.append(Running(scripted(tmp_path, mode), stage, tmp_path / f"{mode}.log"))
        return made[-1]

    yield start
    for server in made:
        server.stop()


def test_a_server_is_asked_watched_and_stopped(serve: Any) -> None:
    """It answers, its memory and processor time are those of a Python process, and afterwards nobody listens."""
    server = serve()
    assert server.start() > 0
    assert server.ask() > 0 and server.ask(100) > 0
    assert 5 < server.memory_mb()["server"] < 100
    assert server.cpu_seconds() > 0
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        server.ask()
    assert server.cpu_seconds() == 0


def test_a_server_that_ends_at_once_is_reported_with_its_log(serve: Any) -> None:
    """The last words of its log are in the message."""
    with pytest.raises(NotRunning, match="(?s)ended at once.*no such model"):
        serve("dies").start()


def test_a_server_that_answers_wrongly_does_not_count_as_started(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 200 with another species is not the right answer."""
    monkeypatch.setattr("loadtest.compare.running.START_SECONDS", 2.0)
    with pytest.raises(NotRunning, match="(?s)no right answer within 2 s: .*Rosa"):
        serve("wrong").start()


@pytest.mark.parametrize("mode", ["orphans", "stubborn"])
def test_nothing_outlives_the_comparison(serve: Any, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a child that its parent leaves behind nor a server that ignores SIGTERM."""
    monkeypatch.setattr("loadtest.compare.running.STOP_SECONDS", 1.0)
    server = serve(mode)
    # Other tests' servers may run for the whole session.
    before = set(psutil.Process().children(recursive=True))
    server.start()
    family = [child for child in psutil.Process().children(recursive=True) if child not in before and "python" in child.name()]
    assert len(family) == (2 if mode == "orphans" else 1)
    server.stop()
    assert [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []


@NEEDS_WRK
def test_errors_that_come_fast_are_no_throughput(serve: Any) -> None:
    """Every answer to wrk is a 500: all of them are failures, and none counts as good."""
    server = serve("fails-fast")
    server.start()
    found = closed(server, connections=2, seconds=1, warm_seconds=0)
    assert found["good_per_second"] == 0
    assert found["failures"] == found["not_2xx"] == found["requests"] > 0
    assert found["cpu_ms_per_request"] is None


@NEEDS_WRK
def test_a_healthy_server_has_throughput_and_no_failures(serve: Any) -> None:
    """The negative control of the test above."""
    server = serve()
    server.start()
    found = closed(server, connections=2, seconds=1, warm_seconds=0)
    assert found["failures"] == 0
    assert found["good_per_second"] > 0 and 0 < found["p50"] <= found["p99"] <= found["max"]


@NEEDS_WRK
def test_bulk_calls_that_fail_beside_a_lone_caller_are_told(serve: Any) -> None:
    """The third is answered 500: the lone caller's figures stand, and why the bulk calls ended stands beside them."""
    server = serve("tires")
    server.start()
    found = bulk(server, Effort((1,), (), warm_seconds=0, closed_seconds=1, open_seconds=1, lone_seconds=1, bulk_calls=1, bulk_seconds=1))
    assert found["calls_beside"] == 0
    assert "status 500" in found["problems_beside"][0]
    assert found["single_beside"]["failures"] == 0


def test_a_server_that_a_measurement_fells_is_started_anew(serve: Any) -> None:
    """The next measurement finds a healthy server, and the record says what happened."""
    server = serve()
    server.start()

    def fell() -> dict[str, Any]:
        server.stop()
        raise NotRunning("it broke")

    found = guarded(server, fell)
    assert found["error"] == "NotRunning: it broke"
    assert "did not answer within 5 s afterwards" in found["restarted"]
    assert server.ask() > 0


def test_a_load_below_the_peak_needs_no_recovery(serve: Any) -> None:
    """At 0.5 x of 100 per second the load alone is measured; at 2 x the time after it is watched as well."""
    server = serve()
    server.start()
    calm = {"accepted_ms": {"p99": 60_000.0}}
    below, above = (overload(server, multiple, 100, calm, seconds=1) for multiple in (0.5, 2))
    assert below["goodput_of_peak"] == pytest.approx(below["good"] / 100) and "after" not in below
    assert below["good"] > 0
    assert above["after"]["load"]["rate"] == 50 and "recovery_seconds" in above


@NEEDS_WRK
@pytest.mark.slow
def test_a_whole_run_renews_the_published_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One system measured in full, one that cannot be started, one that never serves anything good: all three are on the page."""
    monkeypatch.setattr(command, "SYSTEMS", tuple(scripted(tmp_path, mode) for mode in ("good", "dies", "fails-fast")))
    monkeypatch.setattr(command, "FULL", QUICK)
    monkeypatch.setattr(command, "LOADTEST", tmp_path / "published")
    monkeypatch.setattr(command, "README", tmp_path / "published" / "README.md")
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "README.md").write_text(f"# before\n{BEGIN}an old table\n{END}# after\n")
    assert command.main(["--results", str(tmp_path / "results")]) == 0
    (folder,) = (tmp_path / "results").iterdir()
    assert {"RESULTS.md", "RESULTS.json", "figures", "good.json", "dies.json"} <= {file.name for file in folder.iterdir()}
    page = (tmp_path / "published" / "RESULTS.md").read_text()
    assert page == (folder / "RESULTS.md").read_text()
    assert "- dies, start: NotRunning: its server ended at once" in page
    compact = json.loads((tmp_path / "published" / "RESULTS.json").read_text())
    assert (tmp_path / "published" / "README.md").read_text() == f"# before\n{BEGIN}\n{headline(compact)}\n\n{END}# after\n"
    good, fails = compact["systems"]["good"], compact["systems"]["fails-fast"]
    assert [point["connections"] for point in good["closed"]] == [1, 64]
    assert good["versions"] == {"psutil": psutil.__version__}
    assert good["bulk"]["rows"] == 10_000 and good["burst"]["after"]["count"] == 50
    assert [found["multiple"] for found in good["open"]] == [0.8, 2]
    assert "open" not in fails
    assert all(rate > 0 for rate in compact["clients"].values())
    assert "histogram" not in (tmp_path / "published" / "RESULTS.json").read_text()
    assert "64 connections" in capsys.readouterr().out


@NEEDS_WRK
def test_a_system_without_bulk_calls_is_measured_without_them(serve: Any) -> None:
    """The rest is measured all the same."""
    server = serve()
    server.system = dataclasses.replace(server.system, bulk=None)
    effort = Effort((1,), (), warm_seconds=0, closed_seconds=1, open_seconds=1, lone_seconds=1, bulk_calls=1, bulk_seconds=1)
    found = measure(server, effort, lambda step: None)
    assert "bulk" not in found and found["closed"][0]["failures"] == 0


def test_a_client_that_breaks_is_an_error_and_no_result(serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for wrk that finds no memory."""
    server = serve()
    server.start()
    (tmp_path / "wrk").write_text("#!/bin/sh\necho not enough memory >&2\nexit 1\n")
    (tmp_path / "wrk").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotRunning, match="not enough memory"):
        closed(server, connections=1, seconds=1, warm_seconds=0)


def test_a_process_that_has_ended_uses_nothing() -> None:
    """It may end between being found and being looked at."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        seen = psutil.Process(child.pid)
        assert memory_of(seen) > 0
    assert (memory_of(seen), cpu_of(seen)) == (0, 0.0)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody runs in this environment: making another takes a minute."""
    monkeypatch.setattr(command, "programs", lambda name: Path(sys.executable).parent)


@NEEDS_WRK
@pytest.mark.usefixtures("here")
@pytest.mark.timeout(400)
def test_the_smoke_run_measures_both_tiers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """twotier, as `make compare` runs it but briefly: no failure, right answers, memory of both tiers; what is published stays as it is."""
    monkeypatch.setattr(command, "QUICK", dataclasses.replace(QUICK, connections=(16,), multiples=()))
    published = Path(command.LOADTEST, "RESULTS.md")
    before = published.read_bytes() if published.exists() else None
    assert command.main(["--quick", "--systems", "twotier", "--results", str(tmp_path)]) == 0
    (folder,) = tmp_path.iterdir()
    twotier = json.loads((folder / "RESULTS.json").read_text())["systems"]["twotier"]
    assert [point["failures"] for point in twotier["closed"]] == [0]
    assert twotier["closed"][0]["good_per_second"] > 0
    assert twotier["memory_mb"]["idle"].keys() == {"gateway", "model server"}
    assert twotier["bulk"]["problems_beside"] == []
    assert twotier["burst"]["before"]["count"] == twotier["burst"]["after"]["count"] == 50
    assert {count: point["failures"] for round_ in twotier["rounds"] for count, point in round_.items()} == {"1": 0, "64": 0}
    assert (published.read_bytes() if published.exists() else None) == before


@NEEDS_WRK
@pytest.mark.slow
@pytest.mark.usefixtures("here")
@pytest.mark.timeout(600)
def test_what_happens_behind_twotier_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed, it is missed and comes back; stopped, it costs the deadline; promoted, it answers and nobody fails. The gateway's constant,
    without a model server to be killed, is measured as well, and has no such section.
    """
    monkeypatch.setattr(command, "QUICK", dataclasses.replace(QUICK, connections=(1,), multiples=(), rounds=0, happenings=True))
    command.main(["--quick", "--systems", "twotier,constant", "--results", str(tmp_path)])
    (folder,) = tmp_path.iterdir()
    systems = json.loads((folder / "RESULTS.json").read_text())["systems"]
    killed, stopped, promoted = (systems["twotier"][what] for what in ("killed", "stopped", "promoted"))
    assert {"200", "503"} <= killed["answers"].keys() <= {"200", "503", "504"}
    assert killed["refused_ms"]["count"] == killed["answers"]["503"]
    assert killed["sent_per_call"] >= 1 and killed["serves_after_seconds"] is not None
    assert stopped["answers"].keys() == {"504"} and stopped["latest_of_deadline"] >= 1
    assert promoted["failures"] == 0 and promoted["answers"].keys() == {"200"}
    assert promoted["serves_after_seconds"].keys() == {"promotion", "roll-back"}
    assert 0 < systems["twotier"]["up_seconds"]["again"]
    assert "killed" not in systems["constant"]
    assert "## When something happens" in (folder / "RESULTS.md").read_text()


def test_a_lone_caller_that_is_answered_wrongly_is_no_measure(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is one whose connection breaks; one that is answered rightly is."""
    good, wrong, gone = serve(), serve("wrong"), serve()
    good.start()
    monkeypatch.setattr("loadtest.compare.running.START_SECONDS", 2.0)
    with pytest.raises(NotRunning, match="Rosa"):
        wrong.start()
    latencies = Latencies()
    lone(good, latencies)
    assert len(latencies) == 50
    with pytest.raises(NotRunning, match="status 200: Rosa"):
        lone(wrong, Latencies())
    with pytest.raises(NotRunning, match="status 0"):
        lone(gone, Latencies())


def test_a_system_that_there_is_not_is_named() -> None:
    """Before anything is started, with those that there are."""
    done = subprocess.run(
        [sys.executable, "-m", "loadtest.compare", "--systems", "twotier,nginx"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "no such system: nginx; there are: twotier, twotier-2, literal" in done.stderr


def test_without_wrk_the_command_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever is not root is told what to install."""
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match="2"):
        command.main(["--quick"])
    assert "sudo apt-get install wrk" in capsys.readouterr().err


@pytest.mark.parametrize("works", [True, False])
def test_root_gets_wrk_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: bool) -> None:
    """By the machine's own package manager, of which a stand-in is on the path here; if it fails, its words are passed on."""
    manager = tmp_path / "apt-get"
    manager.write_text(f"#!/bin/sh\necho \"$@\" >> {tmp_path}/asked\necho no network >&2\nexit {0 if works else 100}\n")
    manager.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    if works:
        wrk.require_wrk()
        assert (tmp_path / "asked").read_text().splitlines() == ["update -qq", "install -qq --yes wrk"]
    else:
        with pytest.raises(wrk.CannotMeasure, match="no network"):
            wrk.require_wrk()


def test_an_environment_is_made_once_and_again_when_its_requirements_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be installed is an error with pip's own words, and is tried again the next time."""
    monkeypatch.setattr(environments, "REQUIREMENTS", tmp_path)
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path / "made")
    requirements = tmp_path / "peer.txt"
    requirements.write_text("# nothing\n")
    programs = environments.programs("peer")
    assert "pip" in environments.versions("peer")
    (programs / "kept").touch()
    assert (environments.programs("peer") / "kept").exists()
    requirements.write_text("--no-index\nno-such-package==1.0\n")
    with pytest.raises(environments.CannotInstall, match="no-such-package"):
        environments.programs("peer")
    assert not (programs / "kept").exists()
    assert not (programs.parent / "requirements.sha256").exists()


def test_twotier_is_compared_as_it_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an environment of its own with the versions of this one, but without what only tests need."""
    asked: list[list[str]] = []

    def install(command: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        if "pip" not in command:
            return subprocess.CompletedProcess(command, 0, '{"twotier": "9", "pandas": "3.1.0"}', "")
        asked.append(Path(command[-1]).read_text().splitlines())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path)
    monkeypatch.setattr(subprocess, "run", install)
    monkeypatch.setattr(venv, "create", lambda folder, **_options: folder.mkdir(exist_ok=True))
    for _ in range(2):
        assert environments.programs(environments.OWN) == tmp_path / "twotier" / "bin"
    ((_, versions, package),) = asked
    assert Path(versions.partition(" ")[2]).read_text() == "pandas==3.1.0\n"
    assert package == f"--editable {environments.ROOT}[gateway,model-server]"


def test_every_peer_can_be_described_without_its_environment(tmp_path: Path) -> None:
    """Each names files that exist and asks about the same row; MLServer's settings and MLflow's model are
    written where they look for them, the latter by a stand-in here."""
    model = tmp_path / "model.pkl"
    stage = Stage(programs=lambda name: tmp_path / (name or "own"), model=model, data=tmp_path, folder=tmp_path, ports=[1, 2, 3, 4])
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "python").write_text('#!/bin/sh\nmkdir "$3" || exit 1\n')
    (tmp_path / "mlflow" / "python").chmod(0o755)
    for system in SYSTEMS:
        system.start(stage)
        # A second start finds what the first has made.
        for process in system.start(stage):
            assert process.command[0].startswith(str(tmp_path))
            assert all((process.folder / word).is_file() for word in process.command if word.endswith(".py"))
        assert all(str(value).encode() in system.body for value in ROW.values())
        assert system.bulk is None or system.bulk[1](3).count(b"5.0") == 3
        named = set(system.environments).difference((None, environments.OWN))
        assert all((environments.REQUIREMENTS / f"{environment}.txt").is_file() for environment in named)
    assert json.loads((tmp_path / "settings.json").read_text())["http_port"] == 1
    assert json.loads((tmp_path / "model-settings.json").read_text())["parameters"] == {"uri": str(model)}
