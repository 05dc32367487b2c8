"""Every figure of SCALE-Sim's golden traces, and of runs on other arrays and layers, to the last cycle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hw_models.errors import FileError
from hw_models.validation.truth.scalesim_golden import SETS, case_of, predict

LIVE = Path(__file__).parents[3] / "golden" / "scalesim_live.csv"


@pytest.mark.parametrize("path", [SETS[0].shipped, LIVE], ids=["golden", "live"])
def test_every_figure_is_exact(path: Path) -> None:
    points = predict(path)
    np.testing.assert_allclose(points.frame["predicted"], points.frame["measured"], rtol=1e-14)
    assert set(points.skipped) <= {"published as 0, ours is 0: no relative error"}
    assert len(points.frame) + sum(points.skipped.values()) == 24 * points.frame["case"].nunique()


@pytest.mark.parametrize(
    ("name", "gemm", "array"),
    [
        ("GEMM M256 N128 K64, 32x16 OS", (256, 128, 64), (32, 16)),
        ("128x64x32 on 8x8 WS", (128, 32, 64), (8, 8)),
        ("conv 20x22x3, 96 filters 5x3 stride 2, 32x32 IS", (9 * 11, 96, 45), (32, 32)),
    ],
)
def test_a_name_may_carry_its_case(name: str, gemm: tuple[int, int, int], array: tuple[int, int]) -> None:
    case = case_of(name, {})
    assert case is not None
    assert case.run.gemm == gemm
    assert (case.run.rows, case.run.cols) == array
    assert case.memory is None


def test_what_cannot_be_told_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "scalesim_golden.csv"
    path.write_text(
        "case,metric,value\nsecret,Total Cycles,5\nM8 N8 K8 4x4 ws,Stall Cycles,3\n"
        "M8 N8 K8 4x4 ws,Speed,3\nM8 N8 K8 4x4 ws,Total Cycles,71\n"
    )
    points = predict(path)
    assert points.frame["predicted"].tolist() == [4 * (2 * 4 + 4 + 8 - 2) - 1]
    assert [r.split(";")[0].split(":")[0] for r in points.skipped] == [
        "case 'secret'",
        "the memories are not known, or the layer is too large to replay them",
        "metric 'Speed' is not one of SCALE-Sim's reports",
    ]


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scalesim_golden.csv"
    path.write_text("case,metrics,value\na,b,c\n")
    with pytest.raises(FileError, match="no column 'metric'; did you mean 'metrics'"):
        predict(path)
