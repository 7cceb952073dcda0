"""What it means that a training ends in one of its stages, to the process of the training and to the service that started it."""

from __future__ import annotations

UNJUDGED = ("publish", "judge")
"""Something may be left behind, and nothing of it may serve."""

LAST = ("record", "done")
"""The verdict is being written down, or has been: there may be a version that serves, so the training is let go on to its end."""
