"""Measurements: one table for all of them, the devices they name, and the sets that are known."""
