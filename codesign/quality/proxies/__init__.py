"""Training-free proxies: what an untrained network tells. They rank networks; none of them is an accuracy."""
