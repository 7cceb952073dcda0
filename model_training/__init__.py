"""Training: raw data in, versions that passed their gate out. The data folder is always handed in."""

from model_training.training import train, train_all

__all__ = ["train", "train_all"]
