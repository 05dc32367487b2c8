"""Staged evaluation: constraints, costs, then qualities from cheap to dear; few candidates go on."""
