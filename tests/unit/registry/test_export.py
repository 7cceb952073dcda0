"""What goes into the model server's image."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from tests.unit.registry.kit import opened, publish
from twotier.errors import ConfigurationError, LedgerSealed, NotServable
from twotier.registry import Registry
from twotier.registry.database import connect, writing
from twotier.registry.ledger import Ledger


@pytest.fixture
def promoted(registry: Registry) -> Registry:
    """Three versions: the second is champion, the third challenger."""
    for _ in range(3):
        publish(registry)
    registry.promote("iris", "champion", "log_reg_2", who="me")
    registry.promote("iris", "challenger", "log_reg_3", who="me")
    return registry


def read_only(path: Path) -> str:
    """The URL of a ledger that is opened only to be read, as one in an image is. It is relative to the working directory."""
    return f"sqlite:///file:{path.name}?mode=ro&uri=true"


def test_export_serves(promoted: Registry, tmp_path: Path) -> None:
    """What aliases point at is copied under the same names and loads; what none points at is not."""
    exported = promoted.export(tmp_path / "promoted")
    assert ["log_reg_2", "log_reg_3"] == [version.name for version in exported]
    copy = opened(tmp_path / "promoted")
    versions, aliases = copy.versions("iris"), copy.aliases("iris")
    cards = [copy.load("iris", alias).card.version for alias in aliases]
    copy.close()
    assert exported[::-1] == versions
    assert {"challenger": "log_reg_3", "champion": "log_reg_2"} == aliases
    assert ["log_reg_3", "log_reg_2"] == cards
    assert ["log_reg_2", "log_reg_3"] == sorted(path.name for path in (tmp_path / "promoted/models/iris").iterdir())


def test_export_has_no_private_key(promoted: Registry, data: Path, tmp_path: Path) -> None:
    """No exported file holds the private key, whose place is where it was."""
    promoted.export(tmp_path / "promoted")
    private = b"".join((data / "keys/signing_key.pem").read_bytes().splitlines()[1:-1])
    found = [path for path in data.rglob("*") if path.is_file() and private in path.read_bytes()]
    exported = [path for path in (tmp_path / "promoted").rglob("*") if path.is_file()]
    assert [data / "keys/signing_key.pem"] == found
    assert [] == [path for path in exported if private in path.read_bytes() or b"PRIVATE" in path.read_bytes()]


def test_export_is_read_without_writing(promoted: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exported ledger is read where nothing can be written, and a write says what to do."""
    promoted.export(tmp_path / "promoted")
    monkeypatch.chdir(tmp_path / "promoted")
    ledger = Ledger(read_only(Path("database.sqlite")))
    assert {"challenger": "log_reg_3", "champion": "log_reg_2"} == ledger.aliases("iris")
    with pytest.raises(LedgerSealed, match="can only be read"):
        ledger.move("champion", ledger.versions("iris")[0], who="me", why="")
    ledger.close()


def test_export_has_no_write_ahead_log(promoted: Registry, data: Path, tmp_path: Path) -> None:
    """Unlike the ledger that it was copied from, the exported one needs no file beside it to be read."""
    promoted.export(tmp_path / "promoted")
    modes = []
    for folder in (data, tmp_path / "promoted"):
        with contextlib.closing(sqlite3.connect(folder / "database.sqlite")) as connection:
            modes += connection.execute("PRAGMA journal_mode").fetchone()
    assert ["wal", "delete"] == modes


def test_nothing_to_export(registry: Registry, tmp_path: Path) -> None:
    """Without an alias there is nothing to export, and nothing is made."""
    publish(registry)
    with pytest.raises(ConfigurationError, match="train"):
        registry.export(tmp_path / "promoted")
    assert not (tmp_path / "promoted").exists()


def test_export_replaces_nothing(promoted: Registry, tmp_path: Path) -> None:
    """A folder that is there is left alone."""
    with pytest.raises(ConfigurationError, match="is there already"):
        promoted.export(tmp_path)


def test_broken_version_is_not_exported(promoted: Registry, data: Path, tmp_path: Path) -> None:
    """A version that may not serve stops the export."""
    (data / "models/iris/log_reg_2/model.pkl").write_bytes(b"changed")
    with pytest.raises(NotServable, match="log_reg_2"):
        promoted.export(tmp_path / "promoted")


def test_other_trouble_of_a_write_is_passed_on(tmp_path: Path) -> None:
    """An error of the database that has another reason is not taken for this one."""
    engine = connect(f"sqlite:///{tmp_path}/ledger.sqlite")
    with pytest.raises(Exception, match="no such table") as raised, writing(engine) as connection:
        connection.exec_driver_sql("SELECT * FROM nowhere")
    engine.dispose()
    assert isinstance(raised.value.__cause__, sqlite3.OperationalError)
