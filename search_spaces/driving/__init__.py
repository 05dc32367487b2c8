"""Perception of vehicles: detectors of one camera, and of many in a bird's-eye view."""
