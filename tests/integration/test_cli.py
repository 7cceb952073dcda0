"""The commands, run as `twotier` runs them, on a real registry and real tiers."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from sklearn.tree import DecisionTreeClassifier

from tests.processes import free_port, gateway, model_server, training
from tests.unit.client.peer import HANG_UP, peer, reply
from tests.versions import artefact, flip_byte
from twotier.cli import main
from twotier.families import discover

ROW = '{"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": 3, "PetalWidthCm": 4}'
ANSWER = {"output": "Iris-virginica", "model_name": "log_reg_1"}

PICKY = """
from dataclasses import replace
from twotier.families.iris import FAMILY as iris
FAMILY = replace(iris, name="picky", gate=replace(iris.gate, floor=1.0))
"""


class Ran(NamedTuple):
    """What became of a command."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def data(all_trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own, in which the first version of each family is champion, and settings that lead there."""
    copy = Path(shutil.copytree(all_trained, tmp_path / "data"))
    monkeypatch.setenv("TWOTIER_DATA", str(copy))
    monkeypatch.setenv("GATEWAY_PORT", str(free_port()))
    monkeypatch.setenv("MODEL_SERVER_PORT", str(free_port()))
    monkeypatch.setenv("TRAINING_PORT", str(free_port()))
    return copy


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs one command: `run("models", "iris")`."""

    def call(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["twotier", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit:
            main()
        said = capfd.readouterr()
        assert isinstance(exit.value.code, int)
        return Ran(exit.value.code, said.out, said.err)

    return call


@pytest.fixture(scope="module")
def tiers(all_trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Both tiers, ready: the addresses of the gateway and the model server."""
    folder = tmp_path_factory.mktemp("tiers")
    data = Path(shutil.copytree(all_trained, folder / "data"))
    with model_server(data, folder / "model_server.log") as back, gateway(back.url, folder / "gateway.log") as front:
        front.wait_ready()
        yield front.url, back.url


def _use(monkeypatch: pytest.MonkeyPatch, front: str, back: str) -> None:
    monkeypatch.setenv("GATEWAY_PORT", front.rpartition(":")[2])
    monkeypatch.setenv("MODEL_SERVER_PORT", back.rpartition(":")[2])


def test_help_names_every_command(run: Run) -> None:
    """`twotier` alone says what it can do."""
    said = run().out + run().err

    assert {"up", "train", "models", "promote", "predict", "doctor"} <= set(said.split())


def test_python_m_is_the_same() -> None:
    """`python -m twotier.cli` is `twotier`, and starts without the libraries that only some commands need."""
    loaded = "import sys, twotier.cli; print(sorted({'sklearn', 'numpy', 'fastapi', 'bentoml', 'sqlalchemy'} & set(sys.modules)))"

    said = subprocess.run([sys.executable, "-m", "twotier.cli", "--help"], capture_output=True, text=True, check=True)

    assert "doctor" in said.stdout
    assert "[]\n" == subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout


def test_train_reports_what_came_of_it(data: Path, run: Run) -> None:
    """Training prints the version, its metrics and the gate's findings, and says how to promote it: it is not champion by itself."""
    ran = run("train", "iris", "--estimator", "log_reg")

    lines = ran.out.splitlines()
    assert 0 == ran.code
    assert ["iris log_reg_2", "  train  accuracy 0.97321", "  test   accuracy 0.94737", "  gate   passed"] == lines[:4]
    assert lines[4].startswith("         - passed: accuracy is 0.9474")
    assert "  the champion is log_reg_1; to change it: twotier promote iris log_reg_2" == lines[-1]


def test_train_by_another_engine(data: Path, run: Run) -> None:
    """`--engine stream` makes a version like any other; what that engine cannot fit is refused with what to do."""
    ran, refused = run("train", "iris", "--engine", "stream"), run("train", "iris", "--all", "--engine", "stream")

    assert 0 == ran.code
    assert ["iris log_reg_2", "  gate   passed"] == [ran.out.splitlines()[at] for at in (0, 3)]
    assert 0 != refused.code
    assert "DecisionTreeClassifier" in refused.err and "Have the engine memory train it" in refused.err


def test_adopt(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --trust nothing is read; then it reports as training does, and ends with 1 if the gate refused."""
    monkeypatch.chdir(tmp_path)
    rows = [(float(number), number > 4) for number in range(10)]
    Path("model.pkl").write_bytes(pickle.dumps(DecisionTreeClassifier().fit([row[:1] for row in rows], [row[1] for row in rows])))
    Path("sizes.csv").write_text("size\n" + "".join(f"{size}\n" for size, _ in rows))

    untrusted = run("adopt", "model.pkl", "--name", "size", "--sample", "sizes.csv")
    reserved = run("adopt", "model.pkl", "--name", "models", "--sample", "sizes.csv", "--trust")
    assert [] == list(tmp_path.glob("families"))
    adopted = run("adopt", "model.pkl", "--name", "size", "--sample", "sizes.csv", "--trust")

    assert 2 == untrusted.code and untrusted.err.startswith("twotier: reading model.pkl runs whatever code is in it")
    assert (2, True) == (reserved.code, reserved.err.startswith("twotier: a family may not be called models: the gateway has a route"))
    assert 0 == adopted.code, adopted.err
    assert ["size decision_tree_classifier_1", "  gate   passed"] == adopted.out.splitlines()[:2]
    assert [
        "  it is the champion",
        "  wrote  families/size.py, twotier.toml",
        "  note   the settings here leave out the families that come with twotier: credit, iris, outcome, sentiment",
        "         to have them served too, write shipped = true in twotier.toml",
    ] == adopted.out.splitlines()[-4:]
    assert ["-", "-", "passed", "champion"] == run("models").out.split()[-4:]

    Path("rows.csv").write_text("size,big\n" + "".join(f"{size},{not big}\n" for size, big in rows))
    refused = run("adopt", "model.pkl", "--name", "wrong", "--sample", "rows.csv", "--target", "big", "--trust")
    assert (1, "  gate   REFUSED") == (refused.code, refused.out.splitlines()[2])
    assert "shipped" not in refused.out

    # Done as it says, they are there.
    assert 0 != run("models", "iris").code
    Path("twotier.toml").write_text(Path("twotier.toml").read_text().replace("shipped = false", "shipped = true"))
    assert 0 == run("models", "iris").code


def test_adopt_where_the_environment_has_the_shipped_families(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they stay, nothing is said of them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TWOTIER_SHIPPED", "true")
    Path("model.pkl").write_bytes(pickle.dumps(DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1])))
    Path("sizes.csv").write_text("size\n0.0\n1.0\n")
    adopted = run("adopt", "model.pkl", "--name", "size", "--sample", "sizes.csv", "--trust")

    assert (0, "  wrote  families/size.py, twotier.toml") == (adopted.code, adopted.out.splitlines()[-1])


def test_export(data: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`export` copies what serves into a data folder, says so, and replaces nothing."""
    folder = tmp_path / "promoted"
    first, again = run("export", str(folder)), run("export", str(folder))
    assert (0, "".join(f"{name} log_reg_1 -> {folder}\n" for name in discover())) == (first.code, first.out)
    assert (2, f"twotier: {folder} is there already: take it away, or name another folder\n") == (again.code, again.err)
    monkeypatch.setenv("TWOTIER_DATA", str(folder))
    assert "champion" in run("models", "iris").out


def test_train_all_estimators(data: Path, run: Run) -> None:
    """`--all` trains each of the family's estimators; a champion that is there stays, and each is told how it compares."""
    ran = run("train", "iris", "--all")

    assert (0, ["iris log_reg_2", "iris decision_tree_1"]) == (ran.code, [line for line in ran.out.splitlines() if line[0] != " "])
    assert 2 == ran.out.count("the champion is log_reg_1; to change it: twotier promote iris ")
    assert "accuracy is 0.9211, and that of the champion log_reg_1 0.9474 on the same held-out rows" in ran.out


@pytest.mark.parametrize("also", ["--all", "--missing"])
def test_one_estimator_or_all(data: Path, run: Run, also: str) -> None:
    """Naming an estimator and asking for all of them is a mistake."""
    ran = run("train", *(["iris"] if also == "--all" else []), "--estimator", "log_reg", also)

    assert 2 == ran.code
    assert "name an estimator, or have all of them trained" in ran.err


def test_train_what_is_missing(data: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--missing` trains families without champion and no others, each of their estimators; the best of each family is champion."""
    families = tmp_path / "families"
    families.mkdir()
    (families / "second.py").write_text(PICKY.replace("picky", "second").replace("1.0", "0.5"))
    monkeypatch.setenv("TWOTIER_FAMILIES", str(families))

    first, again = run("train", "--missing"), run("train", "--missing")

    made = [line for line in first.out.splitlines() if not line.startswith(" ")]
    assert (0, ["second log_reg_1", "second decision_tree_1"]) == (first.code, made)
    assert 1 == first.out.splitlines().count("  it is the champion")
    assert (0, "") == (again.code, again.out)


def test_train_says_that_the_gate_refused(data: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that the gate refuses is reported with the reason, and the exit code is 1; it cannot be promoted."""
    families = tmp_path / "families"
    families.mkdir()
    (families / "picky.py").write_text(PICKY)
    monkeypatch.setenv("TWOTIER_FAMILIES", str(families))

    trained, listed, promoted = run("train", "picky"), run("models", "picky"), run("promote", "picky", "log_reg_1")

    assert 1 == trained.code
    assert "  gate   REFUSED" in trained.out.splitlines()
    assert "1.0 is wanted" in trained.out
    heading, line, nothing, *found = listed.out.splitlines()
    assert ("refused", "", "log_reg_1 was refused:") == (line.split()[-1], nothing, found[0])
    assert any(each.startswith("  - failed: ") and "1.0 is wanted" in each for each in found)
    assert "refused:" not in run("models").out + run("models", "iris").out
    assert 2 == promoted.code
    assert promoted.err.startswith("twotier: picky log_reg_1 cannot become champion: it did not pass its gate")


@pytest.mark.parametrize("arguments", [[], ["iris", "--missing"]], ids=["nothing", "both"])
def test_train_wants_a_family_or_missing(run: Run, arguments: list[str]) -> None:
    """Which family to train is said in exactly one way."""
    ran = run("train", *arguments)

    assert 2 == ran.code
    assert "name a family, or give --missing" in ran.err


def test_an_unknown_family_is_one_line(data: Path, run: Run) -> None:
    """A mistake of the user's is one line on stderr and exit code 2."""
    ran = run("train", "iriss")

    assert (2, "") == (ran.code, ran.out)
    assert f"twotier: there is no family of that name; there are: {', '.join(discover())}\n" == ran.err


def test_models_and_promote(data: Path, run: Run) -> None:
    """`promote` moves an alias and says from where; `models` lists versions newest first with the aliases that point at them."""
    run("train", "iris")

    moved = run("promote", "iris", "log_reg_2", "--who", "ada", "--why", "it is newer")
    added = run("promote", "iris", "log_reg_1", "--alias", "challenger")
    listed, all_families = run("models", "iris"), run("models")

    assert "iris: champion was log_reg_1 and is now log_reg_2\n" == moved.out
    assert "iris: challenger was nothing and is now log_reg_1\n" == added.out
    heading, *lines = listed.out.splitlines()
    assert ["FAMILY", "VERSION", "MADE", "(UTC)", "TRAIN", "TEST", "GATE", "ALIASES"] == heading.split()
    # Date and time are two words.
    assert [
        ["iris", "log_reg_2", "0.97321", "0.94737", "passed", "champion"],
        ["iris", "log_reg_1", "0.97321", "0.94737", "passed", "challenger"],
    ] == [[*line.split()[:2], *line.split()[4:]] for line in lines]
    assert sorted([*discover(), "iris"]) == [line.split()[0] for line in all_families.out.splitlines()[1:]]


def test_a_version_whose_gate_has_not_run(data: Path, run: Run) -> None:
    """A training that was killed before its gate left a version; it is listed so."""
    with sqlite3.connect(data / "database.sqlite") as ledger:
        ledger.execute("UPDATE version SET gate_passed = NULL, gate_findings = NULL")
    ledger.close()

    assert ["-", "champion"] == run("models", "iris").out.split()[-2:]


def test_predict(tiers: tuple[str, str], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows come from the command line, a file or stdin, and go to the gateway of the settings or to `--url`."""
    _use(monkeypatch, *tiers)
    file = tmp_path / "rows.json"
    file.write_text(f"[{ROW}, {ROW}]")

    assert ANSWER == json.loads(run("predict", "iris", ROW).out)
    assert [ANSWER, ANSWER] == json.loads(run("predict", "iris", f"@{file}", "--url", tiers[0]).out)
    monkeypatch.setattr(sys, "stdin", io.StringIO(f'{{"a": {ROW}}}'))
    assert {"a": ANSWER} == json.loads(run("predict", "iris", "-", "--version", "log_reg_1").out)
    assert {"probabilities"} == json.loads(run("predict", "iris", ROW, "--probabilities").out).keys() - ANSWER.keys()
    good, bad = json.loads(run("predict", "iris", f"[{ROW}, {{}}]", "--partial").out)
    assert (ANSWER, 422) == (good, bad["status"])


def test_predict_says_what_is_wrong(tiers: tuple[str, str], run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal of the gateway, a file that is not there, and text that is not JSON are each one line and exit code 2."""
    _use(monkeypatch, *tiers)

    refused = run("predict", "iris", "[{}]")
    absent = run("predict", "iris", "@/nowhere.json")
    broken, infinite = run("predict", "iris", "{"), run("predict", "iris", '{"SepalLengthCm": NaN}')
    silent = run("predict", "iris", ROW, "--url", f"http://127.0.0.1:{free_port()}")

    assert {2} == {ran.code for ran in (refused, absent, broken, infinite, silent)}
    assert refused.err.startswith("twotier: 422 The input breaks its schema") and "/0/SepalLengthCm" in refused.err
    assert "twotier: /nowhere.json cannot be read: No such file or directory\n" == absent.err
    assert broken.err.startswith("twotier: the rows are not JSON: ")
    assert "twotier: the rows are not JSON: NaN is not a JSON number\n" == infinite.err
    assert "could not be reached" in silent.err


def _findings(ran: Ran) -> list[str]:
    """The findings that are not good."""
    return [line.removeprefix("BAD  ") for line in ran.out.splitlines() if line.startswith("BAD")]


def test_doctor_finds_nothing_wrong(data: Path, run: Run) -> None:
    """On a machine that is set up well, all is well, whether the tiers run or not."""
    ran = run("doctor")

    assert (0, []) == (ran.code, _findings(ran))
    assert "is free for the model server" in ran.out and "is free for the gateway" in ran.out
    assert "iris: the champion log_reg_1 verifies, loads and answers its golden rows" in ran.out
    assert "all is well" == ran.out.splitlines()[-1]


def test_doctor_knows_our_own_tiers(tiers: tuple[str, str], data: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port on which our own tier listens is as it should be."""
    _use(monkeypatch, *tiers)

    ran = run("doctor")

    assert (0, []) == (ran.code, _findings(ran))
    assert "a model server is running there" in ran.out and "a gateway is running there" in ran.out


def test_doctor_knows_our_own_training_service(data: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same holds for the training service."""
    with training(data, tmp_path / "log") as service:
        monkeypatch.setenv("TRAINING_PORT", service.url.rpartition(":")[2])
        ran = run("doctor")

    assert (0, []) == (ran.code, _findings(ran))
    assert "a training service is running there" in ran.out


def test_doctor_knows_a_gateway_that_is_not_ready(data: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway without model server is a gateway still."""
    with peer(reply({"type": "/problems/model-server-unavailable"}, 503)) as front:
        monkeypatch.setenv("GATEWAY_PORT", front.url.rpartition(":")[2])
        assert [] == _findings(run("doctor"))


@pytest.mark.parametrize("says", [HANG_UP, reply(b"no such page", 404)], ids=["hangs up", "knows nothing"])
def test_doctor_finds_a_stranger_on_a_port(data: Path, run: Run, monkeypatch: pytest.MonkeyPatch, says: bytes) -> None:
    """A port on which something else listens is named, with the setting that changes it."""
    names = ("MODEL_SERVER", "TRAINING", "GATEWAY")
    with peer(says, says, says) as stranger:
        port = stranger.url.rpartition(":")[2]
        for name in names:
            monkeypatch.setenv(f"{name}_PORT", port)
        ran = run("doctor")

    assert (1, 3) == (ran.code, len(_findings(ran)))
    for name, finding in zip(names, _findings(ran), strict=True):
        assert f"port {port} is not free" in finding
        assert finding.endswith(f"set {name}_PORT to another port")


@pytest.mark.parametrize(
    ("variable", "value", "advice"),
    [
        ("GATEWAY_PROT", "1", "did you mean GATEWAY_PORT?"),
        ("GATEWAY_POOL_IDLE_SECONDS", "70", "set GATEWAY_POOL_IDLE_SECONDS to 37.5 or less"),
        ("GATEWAY_KEEP_ALIVE_SECONDS", "30", "set GATEWAY_KEEP_ALIVE_SECONDS above the 60 s of load balancers"),
        ("GATEWAY_BUDGET_MS", "6000", "set MODEL_SERVER_TIMEOUT_SECONDS above 6"),
        ("OMP_NUM_THREADS", "4096", "unset it, or set it to"),
        ("REGISTRY_LEDGER_URL", "nonsense", "ledger_url"),
    ],
)
def test_doctor_finds_a_wrong_setting(
    data: Path, run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, advice: str
) -> None:
    """A setting that is wrong by itself or beside another one is found, with what to set."""
    monkeypatch.setenv(variable, value)

    ran = run("doctor")

    (finding,) = _findings(ran)
    assert 1 == ran.code
    assert advice in finding
    assert "1 to mend" == ran.out.splitlines()[-1]


def test_doctor_finds_keys_that_others_can_touch(data: Path, run: Run) -> None:
    """A signing key that others can read, or trusted keys that others can write, are found, with the command that mends it."""
    (trusted,) = (data / "keys" / "trusted").glob("*.pem")
    (data / "keys" / "signing_key.pem").chmod(0o644)
    trusted.parent.chmod(0o777)
    trusted.chmod(0o666)

    findings = _findings(run("doctor"))

    assert ["chmod 600", "chmod 700", "chmod 644"] == [finding.rpartition(": ")[2].rpartition(" ")[0] for finding in findings]


def test_doctor_on_a_machine_that_only_serves(data: Path, run: Run) -> None:
    """Serving needs no key to sign with."""
    (data / "keys" / "signing_key.pem").unlink()

    ran = run("doctor")

    assert [] == _findings(ran)
    assert "serving needs none" in ran.out


def test_doctor_finds_that_nobody_is_trusted(data: Path, run: Run) -> None:
    """Without a trusted key nothing can be served: that is found at the keys and at each champion."""
    shutil.rmtree(data / "keys")

    keys, *champions = _findings(run("doctor"))

    assert "nothing can be served" in keys
    assert [True] * len(discover()) == ["not trusted" in champion for champion in champions]


def test_doctor_finds_a_champion_that_was_changed(data: Path, run: Run) -> None:
    """A champion that may not serve is found, with the reason."""
    flip_byte(artefact(data, "log_reg_1") / "model.pkl")

    (finding,) = _findings(run("doctor"))

    assert finding.startswith("iris log_reg_1: model.pkl is not what was signed")


def test_doctor_finds_a_family_without_champion(raw_data: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A family that was never trained is found, with the command that trains it."""
    monkeypatch.setenv("TWOTIER_DATA", str(raw_data))

    assert "iris has no champion: twotier train iris" in _findings(run("doctor"))


def test_doctor_finds_a_clock_that_is_behind(data: Path, run: Run) -> None:
    """A version that is yet to be made says that the clock is wrong."""
    with sqlite3.connect(data / "database.sqlite") as ledger:
        ledger.execute("UPDATE version SET created_at = '2999-01-01 00:00:00.000000'")
    ledger.close()

    assert "iris log_reg_1 was made at 2999-01-01 00:00:00 UTC, which is yet to come: set the clock" in _findings(run("doctor"))


def test_doctor_finds_other_libraries(data: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A champion that other library versions made is found, with what is installed here."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("platform.python_version", lambda: "3.10.0")
        run("train", "iris")
    run("promote", "iris", "log_reg_2")

    (finding,) = _findings(run("doctor"))

    assert finding.startswith("iris log_reg_2 was made with python 3.10.0 (here 3.")
