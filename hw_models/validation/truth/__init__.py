"""Published and computed figures of cost models and chips, one reader a file; see `base`."""
