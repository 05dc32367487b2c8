"""Output blocks with encoded weights: the organisation of Arm's Ethos-U."""

from hw_models.cost.tiled.block.organisation import Block

__all__ = ["Block"]
