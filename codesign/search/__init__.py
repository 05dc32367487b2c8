"""The search above Optuna: studies that ask, evaluate and tell in rounds, and survive being killed."""
