"""Architectures of language and speech."""
