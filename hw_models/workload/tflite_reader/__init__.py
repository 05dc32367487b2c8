"""Reading TFLite files: the format (`schema`), and a row for each operator (`rules`).

Public: `hw_models.workload.from_tflite.read_tflite`.
"""
