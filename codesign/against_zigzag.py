"""Our loop-nest search beside ZigZag, run live in this process on the same network and hardware file.

Both search the same space (loop orders of at most six loops, memories filled by loop order) with the same
objective. Every winner of ours is recounted in full by plain Python, and costed by ZigZag itself.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.metadata
import importlib.util
import logging
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from typing_extensions import override

from hw_models.cost.tiled.loopnest.assign import assignments
from hw_models.cost.tiled.loopnest.mapping import OPERANDS
from hw_models.cost.tiled.loopnest.search import OBJECTIVES, Found, Objective, best_mapping, warm_up, winner
from hw_models.cost.tiled.loopnest.zigzag_hardware import load_zigzag_hardware
from hw_models.cost.tiled.loopnest.zigzag_mapping import load_zigzag_mapping, rule_for
from hw_models.cost.tiled.loopnest.zigzag_workload import load_zigzag_onnx
from hw_models.errors import MissingExtraError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.cost.tiled.loopnest.layer import Layer
    from hw_models.cost.tiled.loopnest.machine import Machine
    from hw_models.cost.tiled.loopnest.zigzag_mapping import MappingRule

MAPPINGS: Final = {
    "tpu_like": "tpu_like",
    "edge_tpu_like": "edge_tpu_like",
    "ascend_like": "ascend_like",
    "meta_prototype": "meta_prototype_like",
    "tesla_npu_like": "tesla_npu_like",
    "eyeriss_like": "default",
    "gemm_l1_l3": "gemm_l1_l3",
    "gemm_l1": "gemm_l1",
    "generic_array_cacti": "default",
}
"""Digital hardware that ZigZag's package carries, and the mapping file that goes with it."""

LEFT_OUT: Final = {
    "aimc": "in-memory computing is not modelled",
    "dimc": "in-memory computing is not modelled",
}
"""Hardware of its package that is not compared, with the reason."""

NETWORKS: Final = ("resnet18", "mobilenetv2", "alexnet")

REPEATS: Final = 10
"""Searches of ours that are timed together."""

_ZIGZAG_NAMES: Final = ("O", "W", "I")
_GIVEN: Final = ("accelerator", "layer", "spatial_mapping", "spatial_mapping_int")


@dataclass(frozen=True, slots=True)
class Bout:
    """One layer under one objective.

    Attributes:
        layer: its name; times: how often its shape occurs in the network.
        objective: what both minimised.
        zigzag_pj, zigzag_cycles: of ZigZag's best mapping; ours_pj, ours_cycles: of ours.
        recosted_pj, recosted_cycles: of our mapping, as ZigZag costs it.
        zigzag_s, ours_s: CPU time of the search; recounted_s: of ours with its recount in plain Python.
        mappings: that ZigZag costed.
    """

    layer: str
    times: int
    objective: Objective
    zigzag_pj: float
    zigzag_cycles: float
    ours_pj: float
    ours_cycles: float
    recosted_pj: float
    recosted_cycles: float
    zigzag_s: float
    ours_s: float
    recounted_s: float
    mappings: int

    def loss(self) -> float:
        """How much worse our optimum is, as a fraction of ZigZag's; negative where it is better."""
        ours = {"energy": self.ours_pj, "latency": self.ours_cycles, "edp": self.ours_pj * self.ours_cycles}
        theirs = {
            "energy": self.zigzag_pj,
            "latency": self.zigzag_cycles,
            "edp": self.zigzag_pj * self.zigzag_cycles,
        }
        return ours[self.objective] / theirs[self.objective] - 1


@dataclass(frozen=True)
class Comparison:
    """Both tools on one network and one hardware file.

    Attributes:
        hardware, network: by ZigZag's names; version: of ZigZag.
        bouts: a row per distinct layer and objective.
        layers_run, layers_all: distinct layers compared, and there are.
        compile_s: spent once on compiling our kernels, in no other figure.
    """

    hardware: str
    network: str
    version: str
    bouts: tuple[Bout, ...]
    layers_run: int
    layers_all: int
    compile_s: float

    def ratio(self, objective: Objective | None = None) -> float:
        """ZigZag's time per search over ours, all layers together."""
        rows = [b for b in self.bouts if objective in {None, b.objective}]
        return sum(b.zigzag_s for b in rows) / sum(b.ours_s for b in rows)

    def total(self, objective: Objective, figure: str) -> float:
        """Sum of a figure of `Bout` over the network, each layer as often as it occurs."""
        return float(sum(getattr(b, figure) * b.times for b in self.bouts if b.objective == objective))

    def summary(self) -> dict[str, Any]:
        """Figures for a benchmark's JSON."""
        rows: dict[str, Any] = {
            "hardware": self.hardware,
            "network": self.network,
            "zigzag": self.version,
            "layers_run": self.layers_run,
            "layers_all": self.layers_all,
            "compile_s": self.compile_s,
            "zigzag_s_per_search": float(np.mean([b.zigzag_s for b in self.bouts])),
            "recost_worst": max(
                abs(a / b - 1)
                for bout in self.bouts
                for a, b in (
                    (bout.recosted_pj, bout.ours_pj),
                    (bout.recosted_cycles, bout.ours_cycles),
                )
            ),
        }
        for objective in OBJECTIVES:
            mine = [b for b in self.bouts if b.objective == objective]
            rows[objective] = {
                "ratio": self.ratio(objective),
                "ratio_with_recount": sum(b.zigzag_s for b in mine) / sum(b.recounted_s for b in mine),
                "ours_s_per_search": float(np.mean([b.ours_s for b in mine])),
                "loss_worst": max(b.loss() for b in mine),
                "loss_best": min(b.loss() for b in mine),
                "zigzag_pj": self.total(objective, "zigzag_pj"),
                "ours_pj": self.total(objective, "ours_pj"),
                "zigzag_cycles": self.total(objective, "zigzag_cycles"),
                "ours_cycles": self.total(objective, "ours_cycles"),
            }
        return rows

    def to_frame(self) -> pd.DataFrame:
        """One row per layer and objective, with our loss."""
        import pandas as pd

        fields = {name: [getattr(b, name) for b in self.bouts] for name in Bout.__slots__}
        return pd.DataFrame({**fields, "loss": [b.loss() for b in self.bouts]})


def why_not() -> str:
    """Why ZigZag cannot be run here; "" where it can."""
    missing = [name for name in ("zigzag", "six") if importlib.util.find_spec(name) is None]
    if missing:
        return f"{' and '.join(missing)} not installed; pip install 'codesign[oracles]' brings ZigZag"
    return ""


def zigzag_inputs() -> Path:
    """Folder of hardware, mapping and network files that ZigZag's package carries.

    Raises:
        MissingExtraError: it is not installed.
    """
    reason = why_not()
    if reason:
        raise MissingExtraError(reason)
    spec = importlib.util.find_spec("zigzag")
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) / "inputs"


def compare(
    hardware: str = "tpu_like",
    network: str = "resnet18",
    *,
    layers: int | None = None,
    objectives: Sequence[Objective] = OBJECTIVES,
    most_loops: int = 6,
) -> Comparison:
    """Search every layer with both tools.

    Args:
        hardware: a file of ZigZag's package, by name.
        network: one of its networks.
        layers: only the first so many distinct layers; None: all of them.
        objectives: what is minimised, one search of ours for each; ZigZag's mappings are costed once.
        most_loops: into how many loops the work is split, for both (ZigZag: `lpf_limit`).

    Raises:
        MissingExtraError: ZigZag is not installed.
        UnknownNameError: no such hardware or network.
    """
    if hardware not in MAPPINGS:
        raise UnknownNameError("hardware of ZigZag", hardware, MAPPINGS, LEFT_OUT.get(hardware, ""))
    if network not in NETWORKS:
        raise UnknownNameError("network of ZigZag", network, NETWORKS)
    inputs = zigzag_inputs()
    files = (
        inputs / "hardware" / f"{hardware}.yaml",
        inputs / "mapping" / f"{MAPPINGS[hardware]}.yaml",
        inputs / "workload" / f"{network}.onnx",
    )
    machine, rules = load_zigzag_hardware(files[0]), load_zigzag_mapping(files[1])
    groups = distinct_layers(load_zigzag_onnx(files[2]), rules)
    run = groups[:layers]
    first = run[0][0]
    compile_s = warm_up(machine, first, assignments(machine, first, rule_for(rules, first))[0])
    bouts: list[Bout] = []
    with _quiet():
        theirs = _Zigzag(*files)
        for group in run:
            name = group[0].name
            best, seconds, costed = theirs.search(name, most_loops)
            for objective in objectives:
                found, ours_s, recounted_s = _ours(
                    machine, group[0], rule_for(rules, group[0]), objective, most_loops
                )
                cost = found.evaluation
                ours = (cost.total_pj, cost.cycles, *theirs.cost(name, found))
                times = (seconds, ours_s, recounted_s)
                bouts.append(Bout(name, len(group), objective, *best[objective], *ours, *times, costed))
    version = importlib.metadata.version("zigzag-dse")
    return Comparison(hardware, network, version, tuple(bouts), len(run), len(groups), compile_s)


def distinct_layers(layers: Sequence[Layer], rules: Sequence[MappingRule]) -> list[list[Layer]]:
    """Layers of the same shape and mapping rule together, in the order of the network."""
    groups: dict[Any, list[Layer]] = {}
    for layer in layers:
        shape = (tuple(layer.sizes.items()), layer.walks, layer.windows, layer.bits)
        groups.setdefault((shape, id(rule_for(rules, layer))), []).append(layer)
    return list(groups.values())


def _ours(
    machine: Machine, layer: Layer, rule: MappingRule, objective: Objective, most_loops: int
) -> tuple[Found, float, float]:
    """Our best mapping, CPU time of a search, and of a search with its recount; means of `REPEATS`."""
    spatial = assignments(machine, layer, rule)
    options: Any = {"most_loops": most_loops, "order": rule.order}

    def search() -> None:
        for assignment in spatial:
            winner(machine, layer, assignment, objective, **options)

    found = best_mapping(machine, layer, spatial, objective, **options)
    recounted = _cpu_seconds(lambda: best_mapping(machine, layer, spatial, objective, **options))
    return found, _cpu_seconds(search), recounted


def _cpu_seconds(call: Callable[[], object]) -> float:
    """CPU time of one call; the clock itself is slow, so that many calls share a reading."""
    start = process_time()
    for _ in range(REPEATS):
        call()
    return (process_time() - start) / REPEATS


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """ZigZag logs each reduced unrolling as a warning."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


class _Zigzag:
    """ZigZag's own stages on one hardware file and one network."""

    def __init__(self, hardware: Path, mapping: Path, network: Path) -> None:
        from zigzag.parser.onnx.onnx_model_parser import ONNXModelParser
        from zigzag.stages.parser.accelerator_parser import AcceleratorParserStage
        from zigzag.workload.layer_node import LayerNode

        nodes = ONNXModelParser(str(network), str(mapping)).run().topological_sort()
        self.layers: Mapping[str, Any] = {n.name: n for n in nodes if isinstance(n, LayerNode)}
        self.accelerator = AcceleratorParserStage.parse_accelerator(str(hardware))

    def _spatial_stage(self, name: str, stages: list[Any], most_loops: int) -> Any:
        from zigzag.mapping.temporal_mapping import TemporalMappingType
        from zigzag.stages.mapping.spatial_mapping_generation import SpatialMappingGeneratorStage

        return SpatialMappingGeneratorStage(
            stages,
            accelerator=self.accelerator,
            layer=copy.deepcopy(self.layers[name]),
            loma_lpf_limit=most_loops,
            loma_show_progress_bar=False,
            nb_mappings_generated=3,
            enable_mix_spatial_mapping_generation=False,
            access_same_data_considered_as_no_access=True,
            temporal_mapping_type=TemporalMappingType.UNEVEN,
        )

    def search(self, name: str, most_loops: int) -> tuple[dict[Objective, tuple[float, float]], float, int]:
        """Energy and cycles of its best mapping per objective, seconds of one search, mappings it costed."""
        from zigzag.stages.evaluation.cost_model_evaluation import CostModelStage
        from zigzag.stages.mapping.temporal_mapping_generator_stage import TemporalMappingGeneratorStage

        start, costs = process_time(), []
        stage = self._spatial_stage(name, [TemporalMappingGeneratorStage, CostModelStage], most_loops)
        for evaluation, _ in stage.run():
            costs.append((evaluation.energy_total, evaluation.latency_total2))
        seconds = process_time() - start
        best: dict[Objective, tuple[float, float]] = {
            "energy": min(costs),
            "latency": min(costs, key=lambda cost: (cost[1], cost[0])),
            "edp": min(costs, key=lambda cost: cost[0] * cost[1]),
        }
        return best, seconds, len(costs)

    def cost(self, name: str, found: Found) -> tuple[float, float]:
        """Energy and cycles that ZigZag gives a mapping of ours."""
        from zigzag.cost_model.cost_model import CostModelEvaluation
        from zigzag.datatypes import LayerDim, LayerOperand
        from zigzag.mapping.temporal_mapping import TemporalMapping, TemporalMappingType
        from zigzag.stages.stage import Stage

        loops = [(LayerDim(dim.upper()), size) for dim, size in found.nest.temporal]
        held: dict[Any, Any] = {}
        for op, operand in zip(_ZIGZAG_NAMES, OPERANDS, strict=True):
            cuts = found.nest.cuts(operand)
            held[LayerOperand(op)] = [loops[low:high] for low, high in zip((0, *cuts), cuts, strict=False)]
        asked = {
            axis: {dim: size for dim, size in spread if size > 0}
            for axis, spread in found.nest.spatial.items()
        }
        result: list[tuple[float, float]] = []

        class Given(Stage):
            """Costs the one mapping that is given."""

            def __init__(self, list_of_callables: list[Any], **kwargs: Any) -> None:
                super().__init__(list_of_callables)
                self.given = {name: kwargs[name] for name in _GIVEN}

            @override
            def is_leaf(self) -> bool:
                return True

            @override
            def run(self) -> Generator[tuple[Any, Any]]:
                temporal = TemporalMapping(held, self.given["layer"], TemporalMappingType.UNEVEN)
                evaluation = CostModelEvaluation(**self.given, temporal_mapping=temporal)
                user = self.given["layer"].spatial_mapping
                if {str(a): {str(d).lower(): n for d, n in m.items()} for a, m in user.items()} == asked:
                    result.append((evaluation.energy_total, evaluation.latency_total2))
                yield evaluation, None

        for _ in self._spatial_stage(name, [Given], 6).run():
            pass
        return result[0] if result else (float("nan"), float("nan"))
