"""Spaces of vision networks."""
