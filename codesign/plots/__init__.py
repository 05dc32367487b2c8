"""Figures of results: every one is a function `result -> plotly figure`, its data apart from its drawing.

`*_info` computes what is shown (tested); `*_figure` draws it (looked at).
"""

from codesign.plots._breakdown import BreakdownInfo, breakdown, breakdown_figure, breakdown_info
from codesign.plots._compare import CompareInfo, compare, compare_figure, compare_info
from codesign.plots._front import FrontInfo, FrontPoint, Reading, front, front_figure, front_info
from codesign.plots._fronts import FrontsInfo, FrontsPoint, fronts, fronts_figure, fronts_info
from codesign.plots._kernels import KernelRow, kernel_rows
from codesign.plots._roofline import Dot, Roof, RooflineInfo, roofline, roofline_figure, roofline_info

__all__ = [
    "BreakdownInfo",
    "CompareInfo",
    "Dot",
    "FrontInfo",
    "FrontPoint",
    "FrontsInfo",
    "FrontsPoint",
    "KernelRow",
    "Reading",
    "Roof",
    "RooflineInfo",
    "breakdown",
    "breakdown_figure",
    "breakdown_info",
    "compare",
    "compare_figure",
    "compare_info",
    "front",
    "front_figure",
    "front_info",
    "fronts",
    "fronts_figure",
    "fronts_info",
    "kernel_rows",
    "roofline",
    "roofline_figure",
    "roofline_info",
]
