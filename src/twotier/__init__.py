"""Two-tier serving for scikit-learn models: a FastAPI gateway in front of a BentoML model server."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("twotier")
except PackageNotFoundError:
    # A Bento carries the source, and not the installed package.
    __version__ = "0+source"
