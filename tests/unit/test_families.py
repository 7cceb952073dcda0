"""Families are found in three places, and what cannot be one is refused by its place and reason."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from tests.examples import family
from twotier import families
from twotier.errors import ConfigurationError, UnknownFamily
from twotier.families import discover, offered
from twotier.settings import SharedSettings

coin = family()

SOURCE = '''
from tests.examples import CoinRow, family


class OwnRow(CoinRow):
    """A row of the folder's own."""


FAMILY = family(name="{name}", row=OwnRow)
'''


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a file into the folder of families, and give the folder."""

    def write(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_shipped_families_are_found() -> None:
    """Without a folder, the families that are shipped are there, in alphabetical order."""
    found = discover()
    assert "iris" in found
    assert sorted(found) == list(found)
    assert all(name == family.name for name, family in found.items())


def test_file_in_a_folder_is_a_family(write: Callable[[str, str], Path]) -> None:
    """A file dropped into the folder adds a family beside those that are shipped; a file that begins with _ does not."""
    write("_helper.py", "raise RuntimeError")
    found = discover(write("coin_a.py", SOURCE.format(name="coin_a")))
    assert {"coin_a"} == found.keys() - discover().keys()


def test_classes_of_a_folder_family_can_be_pickled(write: Callable[[str, str], Path]) -> None:
    """What a folder's family file defines survives a pickle, as a custom transformer in a model must."""
    row = discover(write("coin_b.py", SOURCE.format(name="coin_b")))["coin_b"].row.model_validate({"a": 1.0, "b": 2.0})
    assert row == pickle.loads(pickle.dumps(row))


def test_file_is_imported_once(write: Callable[[str, str], Path]) -> None:
    """Who looks for families twice finds the same ones, so that a model trained with the first is pickled with the second at hand."""
    folder = write("coin_c.py", SOURCE.format(name="coin_c"))
    assert discover(folder)["coin_c"] is discover(folder)["coin_c"]


def test_file_of_that_name_in_another_folder_is_another(write: Callable[[str, str], Path], tmp_path: Path) -> None:
    """Two folders may have files of one name: each gives its own family."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "coin_d.py").write_text(SOURCE.format(name="coin_e"), encoding="utf-8")
    assert "coin_d" in discover(write("coin_d.py", SOURCE.format(name="coin_d")))
    assert "coin_e" in discover(tmp_path / "other")


def test_installed_package_offers_a_family(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point of an installed package adds its family."""
    points = [EntryPoint("coin", "tests.unit.test_families:coin", families.ENTRY_POINTS)]
    monkeypatch.setattr(families, "entry_points", lambda group: points if group == families.ENTRY_POINTS else [])
    assert discover()["coin"] is coin


def test_shipped_families_can_be_left_out(write: Callable[[str, str], Path]) -> None:
    """With the setting, a folder's families are alone; without any family, that is an error which says what to set."""
    folder = write("coin_f.py", SOURCE.format(name="coin_f"))
    assert ["coin_f"] == list(offered(SharedSettings(families=folder, shipped=False)))
    assert {"coin_f", "iris"} <= offered(SharedSettings(families=folder)).keys()
    with pytest.raises(ConfigurationError, match="TWOTIER_FAMILIES"):
        offered(SharedSettings(shipped=False))


def test_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A folder of families that does not exist is an error, not a folder without families."""
    with pytest.raises(ConfigurationError, match="TWOTIER_FAMILIES.*elsewhere"):
        discover(tmp_path / "elsewhere")


def test_entry_point_that_leads_nowhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point that cannot be imported is an error that names it and says why."""
    monkeypatch.setattr(families, "entry_points", lambda group: [EntryPoint("coin", "nowhere_at_all:family", group)])
    with pytest.raises(ConfigurationError, match=r"entry point coin \(nowhere_at_all:family\) cannot be imported: ModuleNotFoundError"):
        discover()


def test_unknown_family_names_those_there_are() -> None:
    """Asking for a family that is not there says which there are, and does not echo the question."""
    with pytest.raises(UnknownFamily) as caught:
        discover()["<script>"]
    assert "iris" in str(caught.value)
    assert "<script>" not in str(caught.value)
    with pytest.raises(UnknownFamily, match="none"):
        families.Families()["iris"]


def test_options_are_the_deployments() -> None:
    """A family has the options that the settings choose for it, and its own defaults otherwise; the others stay as they are."""
    chosen = discover(options={"sentiment": {"neutral": [0.4, 0.7]}})
    assert {"neutral": (0.4, 0.7)} == chosen["sentiment"].options.model_dump()
    assert {"neutral": (0.5, 0.5)} == discover()["sentiment"].options.model_dump() == discover(options={})["sentiment"].options.model_dump()
    assert chosen["iris"] is discover()["iris"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sentimet": {}}, r"options of \[twotier\] names sentimet, and there is no such family; there are: .*sentiment"),
        ({"sentiment": {"neutrl": [0.4, 0.7]}}, r"options of \[twotier\], at sentiment\.neutrl: Extra inputs are not permitted"),
        ({"sentiment": {"neutral": [0.4]}}, r"at sentiment\.neutral\.1: Field required"),
        ({"sentiment": {"neutral": [0.7, 0.4]}}, r"at sentiment: .*two scores from 0 to 1, the lower one first"),
        ({"sentiment": {"neutral": [-0.1, 0.4]}}, r"at sentiment: .*two scores from 0 to 1"),
        ({"sentiment": {"neutral": [0.4, 1.1]}}, r"at sentiment: .*two scores from 0 to 1"),
        ({"sentiment": {"neutral": [0.4, float("nan")]}}, r"at sentiment\.neutral\.1: Input should be a finite number"),
        ({"iris": {"neutral": [0.4, 0.7]}}, r"at iris\.neutral: Extra inputs are not permitted"),
    ],
)
def test_wrong_option_is_named(options: dict[str, dict[str, object]], message: str) -> None:
    """An option that there is not, or that cannot be, is an error that says where it is."""
    with pytest.raises(ConfigurationError, match=message):
        discover(options=options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"wrong\.py has no FAMILY = Family"),
        ("FAMILY = 'iris'", r"wrong\.py has no FAMILY = Family"),
        ("import nothing_of_that_name", r"wrong\.py cannot be imported: ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("def", r"wrong\.py cannot be imported: SyntaxError"),
        (SOURCE.format(name="iris"), r"wrong\.py: there is another family called 'iris'"),
    ],
)
def test_wrong_file_is_named(write: Callable[[str, str], Path], text: str, message: str) -> None:
    """A file that offers no family, or cannot be read, is an error that names the file and says why."""
    with pytest.raises(ConfigurationError, match=message):
        discover(write("wrong.py", text))


def test_file_that_cannot_be_imported_leaves_no_module(write: Callable[[str, str], Path]) -> None:
    """A broken file can be mended and read again: no half-made module stays behind."""
    with pytest.raises(ConfigurationError):
        discover(write("mended.py", "raise ValueError('not yet')"))
    assert "twotier_families_mended" not in sys.modules
    assert "mended" in discover(write("mended.py", SOURCE.format(name="mended")))
