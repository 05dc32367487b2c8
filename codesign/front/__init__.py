"""The front of a study: the points that nothing beats, with tools to choose among them."""

from codesign.front.dominance import non_dominated
from codesign.front.front import Front

__all__ = ["Front", "non_dominated"]
