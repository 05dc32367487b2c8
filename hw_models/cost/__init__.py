"""The one path to a cost: kernels -> terms -> adjust -> combine -> `Cost`; stages are swapped in it."""
