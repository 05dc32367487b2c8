"""A search that knows costs nothing to know: exact costs, and a model of the quality that must be paid."""
