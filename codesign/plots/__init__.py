"""Figures of results: every one is a function `result -> plotly figure`, its data apart from its drawing.

`*_info` computes what is shown (tested); `*_figure` draws it (looked at).
"""

from codesign.plots._front import FrontInfo, FrontPoint, Reading, front, front_figure, front_info

__all__ = ["FrontInfo", "FrontPoint", "Reading", "front", "front_figure", "front_info"]
