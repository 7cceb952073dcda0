"""Two-tier serving for scikit-learn models: a FastAPI gateway in front of a BentoML model server."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("twotier")
