"""`python -m model_training.tidy FAMILY ESTIMATOR`: remove the files that a killed training left behind."""

from __future__ import annotations

import sys
from contextlib import closing

from twotier.registry import Registry, RegistrySettings
from twotier.settings import SharedSettings


def main(family: str, estimator: str) -> None:
    """Remove them. Raises TwotierError."""
    with closing(Registry.open(RegistrySettings.read(), SharedSettings.read())) as registry:
        registry.tidy(family, estimator)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
