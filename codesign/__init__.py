"""Which neural network should run, and on which chip? The names that a notebook needs, loaded on first use.

import codesign as cd
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw_models.lazy import lazy_names

if TYPE_CHECKING:
    from codesign.calibration import calibrate as calibrate
    from codesign.coverage import coverage as coverage
    from codesign.data.road_signs.source import road_signs as road_signs
    from codesign.front import Front as Front
    from codesign.measure import measure as measure
    from codesign.measure import measure_many as measure_many
    from codesign.objectives import Constraint as Constraint
    from codesign.objectives import Objective as Objective
    from codesign.quality.predictor.predicted import PredictedQuality as PredictedQuality
    from codesign.quality.proxies.proxy_quality import ProxyQuality as ProxyQuality
    from codesign.quality.supernet.quality import SupernetQuality as SupernetQuality
    from codesign.quality.tabular import TabularQuality as TabularQuality
    from codesign.quality.training.plan import TrainingPlan as TrainingPlan
    from codesign.quality.training.plan import rungs as rungs
    from codesign.quality.training.trained import TrainedQuality as TrainedQuality
    from codesign.search.results import Run as Run
    from codesign.search.stages.stage import Ladder as Ladder
    from codesign.search.stages.stage import Resource as Resource
    from codesign.search.stages.stage import Stage as Stage
    from codesign.search.stages.stage import training_stages as training_stages
    from codesign.search.study import Study as Study
    from codesign.validation import validate as validate
    from hw_models.cost.base import Cost as Cost
    from hw_models.cost.base import Estimate as Estimate
    from hw_models.cost.estimate import compare as compare
    from hw_models.cost.estimate import estimate as estimate
    from hw_models.cost.estimate import estimate_many as estimate_many
    from hw_models.cost.streaming import stream_rate as stream_rate
    from hw_models.errors import CodesignError as CodesignError
    from hw_models.measured.importers.catalogue import import_profile as import_profile
    from hw_models.spec.accelerator import Accelerator as Accelerator
    from hw_models.spec.load import list_chips as list_chips
    from hw_models.spec.load import load_chip as load_chip
    from hw_models.workload.from_onnx import read_onnx as read_onnx
    from hw_models.workload.from_torch import trace as trace
    from hw_models.workload.graph import Workload as Workload
    from search_spaces.candidate import Candidate as Candidate
    from search_spaces.catalogue import list_spaces as list_spaces
    from search_spaces.catalogue import load_space as load_space
    from search_spaces.space import SearchSpace as SearchSpace

_HOMES: Final = {
    "Accelerator": "hw_models.spec.accelerator",
    "Candidate": "search_spaces.candidate",
    "CodesignError": "hw_models.errors",
    "Constraint": "codesign.objectives",
    "Cost": "hw_models.cost.base",
    "Estimate": "hw_models.cost.base",
    "Front": "codesign.front",
    "Ladder": "codesign.search.stages.stage",
    "Objective": "codesign.objectives",
    "PredictedQuality": "codesign.quality.predictor.predicted",
    "ProxyQuality": "codesign.quality.proxies.proxy_quality",
    "Resource": "codesign.search.stages.stage",
    "Run": "codesign.search.results",
    "SearchSpace": "search_spaces.space",
    "Stage": "codesign.search.stages.stage",
    "Study": "codesign.search.study",
    "SupernetQuality": "codesign.quality.supernet.quality",
    "TabularQuality": "codesign.quality.tabular",
    "TrainedQuality": "codesign.quality.training.trained",
    "TrainingPlan": "codesign.quality.training.plan",
    "Workload": "hw_models.workload.graph",
    "calibrate": "codesign.calibration",
    "compare": "hw_models.cost.estimate",
    "coverage": "codesign.coverage",
    "estimate": "hw_models.cost.estimate",
    "estimate_many": "hw_models.cost.estimate",
    "list_chips": "hw_models.spec.load",
    "list_spaces": "search_spaces.catalogue",
    "load_chip": "hw_models.spec.load",
    "load_space": "search_spaces.catalogue",
    "import_profile": "hw_models.measured.importers.catalogue",
    "measure": "codesign.measure",
    "training_stages": "codesign.search.stages.stage",
    "road_signs": "codesign.data.road_signs.source",
    "rungs": "codesign.quality.training.plan",
    "stream_rate": "hw_models.cost.streaming",
    "measure_many": "codesign.measure",
    "read_onnx": "hw_models.workload.from_onnx",
    "trace": "hw_models.workload.from_torch",
    "validate": "codesign.validation",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605  (a list of the table's keys)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
