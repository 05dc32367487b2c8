"""What ends a training: figures that are none, too little memory, too little time."""

from __future__ import annotations

from hw_models.errors import CodesignError


class TrainingError(CodesignError):
    """A training that failed; the last whole epoch is in the checkpoint, if one is kept."""


class DivergedError(TrainingError):
    """A loss that is no number; the same training would come to it again."""


class TooLargeError(TrainingError):
    """A network that does not fit the memory of the device it is trained on, with its size."""
