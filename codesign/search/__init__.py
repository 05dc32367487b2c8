"""The search above Optuna: studies that ask, evaluate and tell in batches, and that can be killed and resumed."""
