"""How an ONNX file becomes a workload: load, bind the inputs, walk the graph, one rule an operator.

The graph is walked once, in execution order, with every shape a plain number. `onnx.shape_inference` sizes
each node from what is known so far; constant expressions (shape arithmetic, re-laid weights) are evaluated
instead of becoming rows. Public: `hw_models.workload.from_onnx.read_onnx`.
"""
