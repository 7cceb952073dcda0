"""The model server follows aliases without a restart and without a failed call, and serves nothing that does not verify.

Most of it is slow: whole journeys with both tiers show the same, and here it is looked at more closely.
"""

from __future__ import annotations

import json
import shutil
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import twotier.registry.artefact
from model_training import train
from tests.folders import registry_over
from tests.integration.model_server_calls import ROW, Traffic, block, champion, eventually, info, score, version_of
from tests.processes import Tier, model_server
from tests.unit.model_server.shelves import unreadable_ledger
from tests.versions import MODEL, artefact, flip_byte, promote, with_versions
from twotier.registry import Registry, RegistrySettings
from twotier.settings import SharedSettings


@pytest.fixture
def data(trained_data: Path, tmp_path: Path) -> Path:
    """A data folder with iris log_reg_1, the champion, and log_reg_2."""
    return with_versions(trained_data, tmp_path / "data", 2)


def is_ready(tier: Tier) -> bool:
    """Whether it says so."""
    try:
        return bool(urllib.request.urlopen(tier.url + "/readyz", timeout=60).status == 200)
    except urllib.error.HTTPError as error:
        assert 503 == error.code
        return False


def test_moved_alias_serves_while_calls_run(data: Path, tmp_path: Path) -> None:
    """There and back again, no call fails, and every caller sees the versions change once each time."""
    with model_server(data, tmp_path / "log") as tier:
        tier.wait_ready()
        with Traffic(tier.url, callers=1) as traffic:
            for moved in ("log_reg_2", "log_reg_1"):
                promote(data, moved)
                assert eventually(lambda: traffic.versions[-1:] == [moved])
    assert [] == traffic.failures
    changes = [after for before, after in zip(["", *traffic.versions], traffic.versions) if before != after]
    assert ["log_reg_1", "log_reg_2", "log_reg_1"] == changes


def flipped_byte(data: Path) -> None:
    """One byte of the model is another."""
    flip_byte(artefact(data, "log_reg_2") / MODEL)


def no_signature(data: Path) -> None:
    """The signature is gone."""
    (artefact(data, "log_reg_2") / "manifest.sig").unlink()


@pytest.mark.parametrize(
    ("breaks", "said"),
    [(flipped_byte, "SHA-256"), (no_signature, "manifest.sig"), (None, None)],
    ids=["flipped byte", "no signature", "nothing is wrong"],
)
def test_version_that_does_not_verify_never_serves(
    data: Path, tmp_path: Path, breaks: Callable[[Path], None] | None, said: str | None
) -> None:
    """It is said in info and in the log, while the version before it goes on serving; without the fault, it serves."""
    with model_server(data, tmp_path / "log") as tier:
        tier.wait_ready()
        # Promoting verifies, so the fault must come between that and the server's next look.
        tier.send(signal.SIGSTOP)
        promote(data, "log_reg_2")
        if breaks:
            breaks(data)
        tier.send(signal.SIGCONT)
        assert eventually(lambda: champion(tier.url)["version"] == "log_reg_2")
        now = champion(tier.url)
        assert is_ready(tier)
        if said is None:
            assert ("log_reg_2", "log_reg_2", None) == (now["serving"], version_of(tier.url), now["problem"])
            return
        assert ("log_reg_1", "log_reg_1") == (now["serving"], version_of(tier.url))
        assert said in now["problem"]
        (refused,) = score(tier.url, block(ROW, version="log_reg_2"))
        assert ("not_servable", now["problem"]) == (refused["refused"], refused["detail"])
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [now["problem"]] == [line["problem"] for line in lines if line["event"] == "alias" and line["problem"]]


def champion_of_others(data: Path, **settings: Any) -> None:
    """Train log_reg_3 and make it champion, as somebody does whose settings are not the server's."""
    registry = Registry.open(RegistrySettings.read(**settings), SharedSettings.read(data=data))
    try:
        assert "log_reg_3" == train(registry, registry.families["iris"], data=data).name
        registry.promote("iris", "champion", "log_reg_3", who="somebody else")
    finally:
        registry.close()


@pytest.mark.parametrize(
    ("kind", "said"),
    [("foreign signature", "trusted"), ("older scikit-learn", "scikit-learn 1.8.0, and this is 1.9"), ("nothing is wrong", None)],
)
def test_champion_of_others_never_serves(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, said: str | None
) -> None:
    """Signed with a key that the server does not trust, or made with another scikit-learn: not while it runs, not when it starts."""
    log = tmp_path / "log"
    with model_server(data, log) as tier:
        tier.wait_ready()
        settings: dict[str, Any] = {}
        if kind == "foreign signature":
            theirs = Path(shutil.copytree(data / "keys" / "trusted", tmp_path / "trusted"))
            settings = {"signing_key": tmp_path / "their_key.pem", "trusted_keys": theirs}
        if kind == "older scikit-learn":
            monkeypatch.setattr(twotier.registry.artefact, "installed", lambda name: "1.8.0" if name == "scikit-learn" else version(name))
            settings = {"skew": "warn"}
        champion_of_others(data, **settings)
        assert eventually(lambda: champion(tier.url)["version"] == "log_reg_3")
        running = champion(tier.url)
        assert (running["serving"], True) == (version_of(tier.url), is_ready(tier))
    with model_server(data, log) as tier:
        tier.wait_ready()
        started = champion(tier.url)
        assert (started["serving"], True) == (version_of(tier.url), is_ready(tier))
    assert running == started
    if said is None:
        assert ("log_reg_3", None) == (started["serving"], started["problem"])
    else:
        assert "log_reg_1" == started["serving"]
        assert said in started["problem"]


def test_nothing_that_verifies_is_not_ready(data: Path, tmp_path: Path) -> None:
    """It lives, says why in info, refuses what it is asked, and serves as soon as the fault is mended."""
    before = flip_byte(artefact(data, "log_reg_1") / MODEL)
    with model_server(data, tmp_path / "log", MODEL_SERVER_RETRY_SECONDS="0.1") as tier:
        tier.wait_ready("/livez")
        assert not is_ready(tier)
        now = champion(tier.url)
        assert ("log_reg_1", None) == (now["version"], now["serving"])
        assert "SHA-256" in now["problem"]
        (refused,) = score(tier.url, block(ROW))
        assert "not_servable" == refused["refused"]
        assert "log_reg_2" == version_of(tier.url, "log_reg_2")
        (artefact(data, "log_reg_1") / MODEL).write_bytes(before)
        assert eventually(lambda: is_ready(tier))
        assert "log_reg_1" == version_of(tier.url)


def test_nothing_trained_is_not_ready(raw_data: Path, tmp_path: Path) -> None:
    """It waits; the first version that becomes champion makes it ready."""
    with model_server(raw_data, tmp_path / "log") as tier:
        tier.wait_ready("/livez")
        assert not is_ready(tier)
        assert {"aliases": {}, "versions": []} == info(tier.url)["families"]["iris"]
        with registry_over(raw_data) as registry:
            train(registry, registry.families["iris"], data=raw_data)
        assert eventually(lambda: is_ready(tier))
        assert "log_reg_1" == version_of(tier.url)


def test_unreadable_ledger_does_not_stop_serving(data: Path, tmp_path: Path) -> None:
    """Calls are answered all the while, info says what is wrong, and what was promoted meanwhile serves when it can be read again."""
    with model_server(data, tmp_path / "log") as tier:
        tier.wait_ready()
        assert "problem" not in info(tier.url)["server"]
        promoted = False
        with Traffic(tier.url, callers=1) as traffic:
            with unreadable_ledger(data):
                assert eventually(lambda: "problem" in info(tier.url)["server"])
                seen = len(traffic.versions)
                assert eventually(lambda: len(traffic.versions) > seen + 10)
                assert is_ready(tier)
            promote(data, "log_reg_2")
            promoted = eventually(lambda: traffic.versions[-1:] == ["log_reg_2"])
        assert promoted
        assert [] == traffic.failures
        assert "problem" not in info(tier.url)["server"]
    events = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert ["ledger_unreadable", "ledger_readable"] == [event for event in events if event.startswith("ledger")]
