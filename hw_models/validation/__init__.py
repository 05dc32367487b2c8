"""Predicted against measured: error, rank and coverage, per data set, device and mode."""

from hw_models.validation.join import Group, Joined, join
from hw_models.validation.networks import Resolver
from hw_models.validation.score import Score
from hw_models.validation.validate import Validation, validate

__all__ = ["Group", "Joined", "Resolver", "Score", "Validation", "join", "validate"]
