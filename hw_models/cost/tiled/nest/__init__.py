"""Two-level loop nests on systolic arrays and vector units: tiles, traffic, and an exact bounded search."""
