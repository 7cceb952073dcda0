"""What the plain FastAPI servers say to their callers: twotier's own words, checked by pydantic as it comes."""

from __future__ import annotations

from pydantic import BaseModel


class Row(BaseModel):
    """One flower."""

    SepalLengthCm: float
    SepalWidthCm: float
    PetalLengthCm: float
    PetalWidthCm: float

    def values(self) -> list[float]:
        """In feature order."""
        return [self.SepalLengthCm, self.SepalWidthCm, self.PetalLengthCm, self.PetalWidthCm]


class Answer(BaseModel):
    """Its species, and what found it."""

    output: str
    model_name: str
