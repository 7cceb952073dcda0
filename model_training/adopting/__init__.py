"""Adoption: a pickled classifier and a sample of its rows in, a family file to edit and a version that serves out."""

from model_training.adopting.adopt import Adopted, adopt

__all__ = ["Adopted", "adopt"]
