"""What may be known about a chip: the spec language, its reader and its linter."""
