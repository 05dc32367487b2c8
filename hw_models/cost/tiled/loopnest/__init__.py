"""N-level loop nests with per-operand memory levels: a mapping is given or searched, then counted in full."""
