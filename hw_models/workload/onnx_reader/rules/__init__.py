"""The rule table: (domain, ONNX operator) -> the rows it becomes.

Kinds, loop dimensions, function names and vector costs are those of the torch reader (`from_torch`), so that
every later stage sees one vocabulary, whichever way a network came in.
"""

from hw_models.workload.onnx_reader.rules.attention import ATTENTION_RULES
from hw_models.workload.onnx_reader.rules.contractions import CONTRACTION_RULES
from hw_models.workload.onnx_reader.rules.contrib import CONTRIB_RULES
from hw_models.workload.onnx_reader.rules.movement import MOVEMENT_RULES
from hw_models.workload.onnx_reader.rules.recurrent import RECURRENT_RULES
from hw_models.workload.onnx_reader.rules.reductions import REDUCTION_RULES
from hw_models.workload.onnx_reader.rules.vector import VECTOR_RULES

RULES = {
    **VECTOR_RULES,
    **REDUCTION_RULES,
    **MOVEMENT_RULES,
    **RECURRENT_RULES,
    **CONTRACTION_RULES,
    **ATTENTION_RULES,
    **CONTRIB_RULES,
}
