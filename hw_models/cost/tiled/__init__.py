"""The tiled cost core: a mapping is found or given, every level of the memory hierarchy is bounded."""
