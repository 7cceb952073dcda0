"""What `bentoml build` builds: the service, and the image that it will run in.

Build from the repository's root: the image gets exactly the packages that poetry.lock names.
"""

from __future__ import annotations

import sys

from bentoml.images import Image

from twotier.model_server.lock import LOCK, locked
from twotier.model_server.service import ModelServer

__all__ = ["ModelServer"]


def _image() -> Image:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    # A distribution that BentoML does not know gets no compiler and no git: half the size, half the time.
    made = Image(base_image=f"python:{python}-slim", python_version=python, distro="python-slim", lock_python_packages=False)
    # A finished Bento imports this too, and there is no lock in it.
    return made.python_packages(*locked(LOCK, "model-server")) if LOCK.is_file() else made


setattr(ModelServer, "image", _image())
