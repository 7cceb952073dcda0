"""Where the registry keeps its things."""

from __future__ import annotations

from pathlib import Path

import pytest

from twotier.errors import ConfigurationError
from twotier.registry import RegistrySettings


def test_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every setting can be given by the environment, and the ledger's URL, which may hold a password, by a file."""
    (tmp_path / "url").write_text("postgresql://me:secret@db/ledger\n")
    monkeypatch.setenv("REGISTRY_LEDGER_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("REGISTRY_STORE_URL", "s3://bucket/models")
    monkeypatch.setenv("REGISTRY_SKEW", "warn")
    settings = RegistrySettings.read()
    assert ("postgresql://me:secret@db/ledger", "s3://bucket/models", "warn") == (settings.ledger_url, settings.store_url, settings.skew)


def test_unknown_policy() -> None:
    """A policy that there is not is refused by name."""
    with pytest.raises(ConfigurationError, match="REGISTRY_SKEW"):
        RegistrySettings.read(skew="ignore")
