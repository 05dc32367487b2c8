"""The one path to a cost: kernels -> terms -> adjust -> combine -> `Cost`; swap a stage, never add a second path."""
