"""`python -m model_training.tidy FAMILY ESTIMATOR [MANIFEST]`: remove what a killed training left behind.

That is files, and the version whose manifest has that SHA-256, unless it was judged.
"""

from __future__ import annotations

import sys
from contextlib import closing

from twotier.registry import Registry, RegistrySettings
from twotier.settings import SharedSettings


def main(family: str, estimator: str, manifest_sha256: str | None = None) -> None:
    """Remove it. Raises TwotierError."""
    with closing(Registry.open(RegistrySettings.read(), SharedSettings.read())) as registry:
        registry.tidy(family, estimator, manifest_sha256)


if __name__ == "__main__":
    main(*sys.argv[1:])
