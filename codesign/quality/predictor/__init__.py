"""A learned predictor: the error of networks from the errors of others of their space, with an interval."""
