"""What twotier says its own version is."""

from __future__ import annotations

import importlib
import importlib.metadata

import pytest

import twotier


def test_version_is_the_installed_one() -> None:
    """It is what the package was installed as."""
    assert importlib.metadata.version("twotier") == twotier.__version__


def test_source_without_an_installed_package_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a Bento, which carries the source alone."""

    def none(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    with monkeypatch.context() as patch:
        patch.setattr(importlib.metadata, "version", none)
        importlib.reload(twotier)
        assert "0+source" == twotier.__version__
    importlib.reload(twotier)
    assert importlib.metadata.version("twotier") == twotier.__version__
