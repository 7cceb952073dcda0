"""Where the registry keeps its things. Whatever is not set lives in the shared data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic_settings import SettingsConfigDict

from twotier.settings import Settings


class RegistrySettings(Settings):
    """What training and the model server must agree on."""

    model_config = SettingsConfigDict(env_prefix="REGISTRY_")

    ledger_url: str | None = None
    """SQLAlchemy URL of the ledger, `sqlite:///…` or `postgresql://…`; by default the file `database.sqlite` in the data folder."""

    store_url: str | None = None
    """Folder or fsspec URL (`s3://…`) of the artefacts; by default the folder `models` in the data folder."""

    signing_key: Path | None = None
    """PEM file with the Ed25519 private key that signs new versions; made at the first publish. Default: `keys/signing_key.pem`."""

    trusted_keys: Path | None = None
    """Folder of PEM files with the public keys whose signatures are accepted; by default `keys/trusted` in the data folder."""

    skew: Literal["refuse", "warn"] = "refuse"
    """What to do with a version that was made with another scikit-learn minor version."""
