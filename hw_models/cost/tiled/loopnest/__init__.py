"""N-level loop nests with memory levels of their own per operand: given or searched, then counted in full.

`evaluate(machine, layer, nest)` counts a mapping in plain Python; `best_mapping` searches loop orders with a
compiled twin and recounts its winner. Mappings are read by `load_loopnest` (own YAML), `parse_timeloop` and
`load_timeloop_mapping`; machines, layers and mapping rules of ZigZag by the `zigzag_*` modules.
"""

from hw_models.cost.tiled.loopnest.allocate import allocate as allocate
from hw_models.cost.tiled.loopnest.layer import Layer as Layer
from hw_models.cost.tiled.loopnest.machine import Machine as Machine
from hw_models.cost.tiled.loopnest.mapping import LoopNest as LoopNest
from hw_models.cost.tiled.loopnest.mapping_file import dump_loopnest as dump_loopnest
from hw_models.cost.tiled.loopnest.mapping_file import load_loopnest as load_loopnest
from hw_models.cost.tiled.loopnest.reference import Evaluation as Evaluation
from hw_models.cost.tiled.loopnest.reference import evaluate as evaluate
from hw_models.cost.tiled.loopnest.search import best_mapping as best_mapping
