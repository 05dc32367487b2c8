"""Files of reference figures that are broken, or hold what cannot be compared: file and line, or a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hw_models.errors import FileError
from hw_models.validation.truth.base import Points, point_frame
from hw_models.validation.truth.catalogue import judge, truth_set
from hw_models.validation.truth.figures import read_figures

LAYERS = "nvdla_layers_1024mac_256k_1ghz_15gbs"
HEADER = {
    LAYERS: "network,layer,type,C,H,W,K,R,S,stride_v,stride_h,P,Q,mac_cycles,bound",
    "nvdla_resnet50_configs": "macs,conv_buffer_kb,dram_gb_s,resnet50_fps",
    "scalesim_golden": "case,metric,value,dataflow,rows,cols,m,n,k",
    "eyeriss_jssc17_alexnet": "layer,power_mw,total_latency_ms,processing_latency_ms,active_pes,"
    "zeros_in_ifmap_pct,global_buffer_access_mb,dram_access_mb",
}


def predicted(path: Path, name: str, *rows: str) -> Points:
    (path / f"{name}.csv").write_text("\n".join(["# a note", HEADER[name], *rows, ""]), encoding="utf-8")
    found = truth_set(name)
    assert found is not None
    return found.predict(path / f"{name}.csv")


@pytest.mark.parametrize(
    ("name", "row", "text"),
    [
        (
            LAYERS,
            "net,1,conv,0,8,8,16,3,3,1,1,6,6,5,MAC",
            "C: '0' given, expected a whole number of at least 1",
        ),
        (LAYERS, "net,1,conv,3,8,8,16,3,3,1,1,6.5,6,5,MAC", "P: '6.5' given, expected a whole number"),
        (LAYERS, "net,1,conv,1e999,8,8,16,3,3,1,1,6,6,5,MAC", "C: '1e999' given, expected a whole number"),
        ("nvdla_resnet50_configs", "-64,128,1,7", "macs: '-64' given, expected a number above 0"),
        ("nvdla_resnet50_configs", "64,128,1,1e999", "resnet50_fps: '1e999' given, expected a number"),
        ("scalesim_golden", "x,Total Cycles,9,ws,0,4,4,4,4", "rows: '0' given, expected a whole number"),
        ("eyeriss_jssc17_alexnet", "CONV1,1,1,1,1,-5,1,1", "'-5' given, expected per cent from 0 to 100"),
    ],
)
def test_a_wrong_figure_is_told_by_its_line(tmp_path: Path, name: str, row: str, text: str) -> None:
    with pytest.raises(FileError, match=rf"{name}\.csv:3: .*{text}"):
        predicted(tmp_path, name, row)


def test_layers_without_a_shape_are_left_out_with_a_reason(tmp_path: Path) -> None:
    found = predicted(
        tmp_path, LAYERS, "net,1,pool,,,,,,,,,,,7,MAC", "net,2,conv,32,8,8,32,1,1,1,1,8,8,64,DRAM"
    )
    # 32 x 32 x 64 MACs on 1024
    assert found.frame["predicted"].tolist()[0] == 64.0
    assert found.skipped["no shape of the layer"] == 1


def test_a_size_that_is_not_given_is_left_out_with_a_reason(tmp_path: Path) -> None:
    found = predicted(tmp_path, "nvdla_resnet50_configs", "64,128,,7.3", "64,128,1,7.3")
    assert len(found.frame) == 1
    assert sum(found.skipped.values()) == 1


def test_figures_of_0_and_predictions_that_are_missing_are_counted_not_divided_by() -> None:
    frame = point_frame(
        device="d",
        mode="m",
        quantity="q",
        measured=[2.0, 0.0, 4.0, np.nan],
        predicted=[1.0, 1.0, np.nan, 1.0],
    )
    found = truth_set("scalesim_golden")
    assert found is not None
    judged = judge("scalesim_golden", found, Points(frame, "tiled", naive={"same": np.full(4, 2.0)}))
    (score,) = judged.scores
    assert (score.n, score.n_skipped, score.mape, score.naive_mape_scaled) == (1, 3, 0.5, 0.0)
    assert judged.skipped.set_index("reason")["n"].to_dict() == {
        "given as 0: no relative error": 1,
        "no figure, or no prediction of it": 2,
    }


def test_what_is_no_number_is_told_in_every_column(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_text("a,b\n1,x\ny,inf\n", encoding="utf-8")
    with pytest.raises(FileError, match=r"(?s)3: a: 'y' given.*2: b: 'x' given.*3: b: 'inf' given"):
        read_figures(path, texts=(), numbers=("a", "b"))
