"""Where family files go, and what the settings file must say so that they are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_training.adopting.settings_file import FOLDER, with_folder
from twotier.errors import ConfigurationError
from twotier.settings import SharedSettings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _changed() -> SharedSettings:
    """The settings as the changed file gives them, which are those that were promised."""
    promised, path, text = with_folder(SharedSettings.read())
    assert text is not None
    path.write_text(text, encoding="utf-8")
    read = SharedSettings.read()
    assert promised == read
    assert (read, path, None) == with_folder(read)
    return read


def test_new_file_leaves_out_what_is_shipped() -> None:
    """Whoever starts in an empty folder serves their own families alone."""
    read = _changed()
    assert (FOLDER, False) == (read.families, read.shipped)


@pytest.mark.parametrize(
    "text", ["", "[gateway]\nport = 8001\n", '[gateway]\nport = 8001\n[twotier] # shared\ndata = "elsewhere"\n[registry]\n', "[twotier]"]
)
def test_file_that_is_there_is_added_to(text: str) -> None:
    """All that it said it still says; nothing else is added."""
    Path("twotier.toml").write_text(text, encoding="utf-8")
    before = SharedSettings.read()
    read = _changed()
    assert before.model_copy(update={"families": FOLDER}) == read
    assert set(text.splitlines()) <= set(Path("twotier.toml").read_text().splitlines())


def test_file_that_another_setting_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that TWOTIER_CONFIG names is the one that is changed."""
    Path("mine.toml").write_text("")
    monkeypatch.setenv("TWOTIER_CONFIG", "mine.toml")
    assert FOLDER == _changed().families


def test_folder_that_is_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a folder in the environment, no file is changed."""
    monkeypatch.setenv("TWOTIER_FAMILIES", "own")
    shared, _, text = with_folder(SharedSettings.read())
    assert (Path("own"), None) == (shared.families, text)


def test_file_in_another_form_is_left_alone() -> None:
    """A file whose [twotier] cannot be added to is refused with the line that is to be written there."""
    Path("twotier.toml").write_text('twotier.data = "elsewhere"\n')
    with pytest.raises(ConfigurationError, match='twotier.toml .* write families = "families" there'):
        with_folder(SharedSettings.read())
