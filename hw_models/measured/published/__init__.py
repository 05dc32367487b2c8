"""Sets of measurements that others published: one module a source, each with its `SETS`."""
