"""Networks timed on this machine: how long, how often, how sure, on what, and when not to believe it."""
