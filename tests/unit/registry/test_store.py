"""Where artefacts are kept."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from twotier.errors import ConfigurationError, DigestMismatch, NotServable
from twotier.registry.store import ArtefactStore

FILES = {"model.pkl": b"\x80model", "manifest.sig": b"signature"}


@pytest.fixture(params=["folder", "file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A local folder, the same as a URL, and a store that is no folder at all."""
    kinds = {"folder": str(tmp_path / "models"), "file": f"file://{tmp_path}/models", "memory": f"memory://{uuid.uuid4()}/models"}
    return kinds[request.param]


def test_round_trip(url: str) -> None:
    """What was put there is what another process finds."""
    ArtefactStore(url).write("iris", "log_reg_1", FILES)
    assert FILES == ArtefactStore(url).read("iris", "log_reg_1")


def test_absent(url: str) -> None:
    """An artefact that is not there is missed by name and place."""
    with pytest.raises(DigestMismatch, match="^iris log_reg_1: .*models/iris/log_reg_1 is not there: put it back"):
        ArtefactStore(url).read("iris", "log_reg_1")


def test_orphan_is_replaced(url: str) -> None:
    """What a killed training left in the place goes as a whole: no file of it is mixed with the new ones."""
    store = ArtefactStore(url)
    store.write("iris", "log_reg_1", {"model.pkl": b"old", "left.over": b"?"})
    store.write("iris", "log_reg_1", FILES)
    assert FILES == store.read("iris", "log_reg_1")


def test_written_elsewhere_meanwhile(url: str) -> None:
    """A store that has looked in vain finds the artefact once another has put it there."""
    reader = ArtefactStore(url)
    with pytest.raises(DigestMismatch):
        reader.read("iris", "log_reg_1")
    ArtefactStore(url).write("iris", "log_reg_1", FILES)
    assert FILES == reader.read("iris", "log_reg_1")


def test_leftovers_are_cleared(tmp_path: Path) -> None:
    """Temporary folders of killed trainings go with the family's next publish; what is not temporary stays."""
    for name in (".log_reg_1.new.tmp", ".decision_tree_2.orphan.tmp", "log_reg_7"):
        (tmp_path / "iris" / name / "deep").mkdir(parents=True)
    ArtefactStore(str(tmp_path)).write("iris", "log_reg_1", FILES)
    assert ["log_reg_1", "log_reg_7"] == sorted(path.name for path in (tmp_path / "iris").iterdir())


def test_unreadable(tmp_path: Path) -> None:
    """An artefact that cannot be read may not serve, and the reason is given."""
    (tmp_path / "iris" / "log_reg_1" / "model.pkl").mkdir(parents=True)
    with pytest.raises(NotServable, match="^iris log_reg_1: .* cannot be read: IsADirectoryError"):
        ArtefactStore(str(tmp_path)).read("iris", "log_reg_1")


def test_unknown_kind_of_store() -> None:
    """A URL that no file system serves is refused with the setting's name."""
    with pytest.raises(ConfigurationError, match="store_url of .registry.*nowhere"):
        ArtefactStore("nowhere://models")
