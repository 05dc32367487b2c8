"""Spaces whose every candidate was trained and timed by somebody: a search can be scored by its regret."""
