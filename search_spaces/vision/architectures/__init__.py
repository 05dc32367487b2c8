"""Architectures of papers, written compactly: built without weights, to be traced and costed."""
