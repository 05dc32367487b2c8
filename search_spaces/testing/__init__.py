"""For authors of spaces: a conformance suite, and a small space to look at."""
