"""Predicted against measured, end to end: invented devices and networks, every reason to be left out."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hw_models.cost.estimate import estimate
from hw_models.errors import FileError, InputError, UnknownNameError
from hw_models.measured.devices import read_devices
from hw_models.validation import Score, validate
from hw_models.validation.networks import Networks
from hw_models.workload.graph import Workload, WorkloadBuilder
from hw_models.workload.named import NamedNetwork
from hw_models.workload.op import OpKind, Precision, TensorKind

KEYS = [
    "dataset",
    "truth",
    "device",
    "mode",
    "quantity",
    "fidelity",
    "fitted_on",
    "split",
    "n",
    "n_skipped",
    "mape",
    "mape_scaled",
    "median_ape",
    "p90_ape",
    "bias",
    "kendall_tau",
    "ci_low",
    "ci_high",
    "coverage_90",
    "width_90",
    "naive_mape_scaled",
    "naive_kendall_tau",
]
"""The contract of `codesign validate --json`, in this order."""

MODE = "infer|amp|nchw|torch2.6.0|compiled"


def plain_cnn(depth: int, width: int = 64, side: int = 28) -> Workload:
    """A stack of 3x3 convolutions, `width` channels on side x side pixels."""
    build = WorkloadBuilder(f"cnn{depth}")
    shape = (1, width, side, side)
    x = build.tensor(shape, Precision.FP32, TensorKind.INPUT, batched=True)
    for layer in range(depth):
        w = build.tensor((width, width, 3, 3), Precision.FP32, TensorKind.WEIGHT, batched=False)
        y = build.tensor(shape, Precision.FP32, TensorKind.ACTIVATION, batched=True)
        build.op(
            OpKind.CONV,
            (1, 1, width, width, side, side, 3, 3),
            (x, w),
            (y,),
            target="aten.convolution",
            module=f"layer{layer}",
            batch_dim=0,
            attrs={"stride": [1, 1], "weights": 1},
        )
        x = y
    return build.finish((x,))


def resolver(request: NamedNetwork) -> Workload:
    """`cnn<depth>`; `rep<depth>` is twice as deep while it is trained."""
    model = request.name
    if model == "broken":
        raise RuntimeError("no such layer\nsecond line")
    kind = model[:3]
    if kind not in {"cnn", "rep"}:
        raise UnknownNameError("network", model, ["cnn2", "cnn4"])
    depth = int(model[3:])
    return plain_cnn(depth if request.reparameterize or kind == "cnn" else 2 * depth)


def timm(name: str, params: float | None = None) -> NamedNetwork:
    """A network of a table of timm's."""
    return NamedNetwork("timm_throughput", name, img_size=224, params=params)


def row(model: str, **change: Any) -> dict[str, Any]:
    """A measurement of an invented device."""
    base = {
        "device": "zeta9",
        "mode": "infer",
        "dtype": "amp",
        "layout": "nchw",
        "torch": "2.6.0",
        "cuda": "12.4",
        "compiled": 1,
        "model": model,
        "family": model[:3],
        "img_size": 224,
        "batch": 64,
        "samples_per_s": 1e5 / int("".join(c for c in model if c.isdigit()) or 1),
        "params_m": "",
        "gmacs": "",
        "macts": "",
    }
    made = {**base, **change}
    return {**made, "step_ms": 1e3 * made["batch"] / made["samples_per_s"]}


DEVICE = {
    "key": "zeta9",
    "device": "Zeta 9",
    "vendor": "Nobody",
    "kind": "gpu",
    "fp32_tflops": 20,
    "fp16_tflops": 80,
    "memory": "16GB GDDR6",
    "mem_bw_gb_s": 600,
    "external_dram": "yes",
    "l2_or_sram_mb": 24,
    "units": 48,
    "clock_mhz": 2100,
    "tdp_w": 250,
}
DEVICE_COLUMNS = [
    "key",
    "device",
    "vendor",
    "kind",
    "process_nm",
    "fp32_tflops",
    "fp16_tflops",
    "int8_tops",
    "memory",
    "mem_bw_gb_s",
    "external_dram",
    "l2_or_sram_mb",
    "units",
    "clock_mhz",
    "tdp_w",
    "confidence",
    "note",
]


def write(folder: Path, rows: list[dict[str, Any]], devices: list[Mapping[str, Any]] | None = None) -> Path:
    pd.DataFrame(rows).to_csv(folder / "timm_throughput.csv.gz", index=False)
    pd.DataFrame(devices or [DEVICE], columns=DEVICE_COLUMNS).to_csv(folder / "devices.csv", index=False)
    return folder


def test_a_device_known_by_its_figures_alone(tmp_path: Path) -> None:
    data = write(tmp_path, [row("cnn2"), row("cnn4"), row("cnn8"), row("cnn4", batch=16)])
    result = validate(data, resolver=resolver)
    assert [list(r) for r in result.rows] == [KEYS]
    (score,) = result.scores
    assert (score.device, score.mode, score.n, score.n_skipped) == ("zeta9", MODE, 4, 0)
    assert (score.dataset, score.truth, score.quantity) == ("timm_throughput", "silicon", "samples_per_s")
    assert score.naive_mape_scaled == pytest.approx(0.0), "counts that the file lacks are those of the trace"
    assert score.split == "held_out"
    chip = read_devices(data).accelerator("zeta9")
    for point in result.points.itertuples():
        network = plain_cnn(int(str(point.network)[3:]))
        how = {"precision": "fp16", "lowering": "compiled", "model": "calibrated"}
        cost = estimate(network, chip, batch=int(point.batch), **how)
        assert cost.latency.value == pytest.approx(point.batch / point.predicted)
        assert cost.latency.low == pytest.approx(point.batch / point.high)
        assert cost.latency.high == pytest.approx(point.batch / point.low)
    errors = result.points["predicted"] / result.points["measured"] - 1
    assert score.mape == pytest.approx(errors.abs().mean())
    assert score.bias == pytest.approx(errors.mean())


def test_naive_predictors_stand_beside_ours(tmp_path: Path) -> None:
    counted = {"params_m": 0.07, "gmacs": 0.06, "macts": 0.1}
    rows = [
        row(f"cnn{d}", **{**counted, "gmacs": 0.029 * d, "macts": 0.05 * d, "params_m": 0.037 * d})
        for d in (2, 4, 8)
    ]
    (score,) = validate(write(tmp_path, rows), resolver=resolver).scores
    assert score.naive_kendall_tau == pytest.approx(1.0)
    assert score.naive_mape_scaled == pytest.approx(0.0, abs=0.05), "all of it is proportional to depth"


def test_every_row_is_compared_or_has_its_reason(tmp_path: Path) -> None:
    rows = [
        row("cnn2"),
        row("cnn2", mode="train"),
        row("cnn2", device="zeta8"),
        row("cnn2", dtype="int4"),
        row("mlp2"),
        row("broken"),
        row("cnn2", params_m=11.7),
        row("cnn2", samples_per_s=-1.0),
        row("cnn2"),
        row("cnn2", device="theta1"),
    ]
    theta = {**DEVICE, "key": "theta1", "mem_bw_gb_s": None, "memory": "", "fp16_tflops": None}
    result = validate(write(tmp_path, rows, [DEVICE, theta]), resolver=resolver)
    assert {s.device: s.fidelity for s in result.scores if s.n} == {"zeta9": "roofline", "theta1": "prior"}
    assert sum(s.n for s in result.scores) == 2
    assert sum(s.n + s.n_skipped for s in result.scores) == len(rows)
    reasons = result.skipped["reason"].tolist()
    for start in (
        "training is not modelled",
        "unknown device 'zeta8'; did you mean 'zeta9'",
        "no int4 peak of Zeta 9 is known",
        "the network cannot be had: unknown network 'mlp2'",
        "the network cannot be had: RuntimeError: no such layer",
        "another network than was measured: 'cnn2' has 0.07 M parameters here, 11.70 M in the file",
        "set aside: samples_per_s -1.0 given, expected more than 0",
        "set aside: exact duplicate of another row",
    ):
        assert any(r.startswith(start) for r in reasons), start
    assert len(reasons) == 8


def test_a_group_that_the_model_refuses_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("hw_models.validation.validate")

    def refuses(group: Any, seen: Any) -> Any:
        if group.mode == MODE:
            raise InputError("no law of such engines")
        return predict(group, seen)

    predict = module.predict
    monkeypatch.setattr(module, "predict", refuses)
    data = write(tmp_path, [row("cnn2"), row("cnn4"), row("cnn8", compiled=0)])
    result = module.validate(data, resolver=resolver)
    assert [(s.n, s.n_skipped) for s in result.scores] == [(0, 2), (1, 0)]
    assert result.skipped["reason"].tolist() == ["not predicted: no law of such engines"]


def test_a_mode_with_nothing_to_compare_is_a_row_with_n_0(tmp_path: Path) -> None:
    result = validate(write(tmp_path, [row("cnn2"), row("cnn2", mode="train")]), resolver=resolver)
    train = result.rows[1]
    assert (train["mode"], train["n"], train["n_skipped"]) == ("train|amp|nchw|torch2.6.0|compiled", 0, 1)
    assert all(train[key] is None for key in KEYS[KEYS.index("mape") :])


@pytest.mark.parametrize(
    ("params_m", "torch", "layers"),
    [("0.15", "2.4.0", 4), ("0.29", "2.9.1", 8), ("", "2.9.1", 4), ("", "2.4.0", 8)],
    ids=["merged, early release", "branched, late release", "late alone", "early alone"],
)
def test_the_form_that_was_run_is_the_one_with_its_parameters(params_m: str, torch: str, layers: int) -> None:
    params = float(params_m) * 1e6 if params_m else None
    found = Networks(resolver).as_run(timm("rep4", params), torch)
    assert isinstance(found, Workload)
    assert len(found) == layers


def test_a_network_that_has_one_form_only_is_still_found() -> None:
    def one_form(request: NamedNetwork) -> Workload:
        if request.reparameterize:
            raise InputError("cannot be merged")
        return resolver(request)

    found = Networks(one_form).as_run(timm("cnn4", 4 * 64 * 64 * 9), "2.9.1")
    assert isinstance(found, Workload)


def test_two_forms_that_are_one_network_share_an_object() -> None:
    networks = Networks(resolver)
    assert networks.as_run(timm("cnn4"), "2.4.0") is networks.as_run(timm("cnn4"), "2.9.1")
    assert networks.as_run(timm("rep4"), "2.4.0") is not networks.as_run(timm("rep4"), "2.9.1")


def test_each_network_is_asked_for_once(tmp_path: Path) -> None:
    asked = []

    def counting(request: NamedNetwork) -> Workload:
        asked.append((request.name, request.reparameterize))
        return resolver(request)

    rows = [row("cnn2", batch=b, torch=t) for b in (1, 2, 4) for t in ("2.4.0", "2.6.0")]
    validate(write(tmp_path, rows), resolver=counting)
    assert asked == [("cnn2", False)]


def test_max_rows_spreads_over_the_file(tmp_path: Path) -> None:
    rows = [row("cnn2", batch=b) for b in range(1, 12)]
    result = validate(write(tmp_path, rows), resolver=resolver, max_rows=3)
    assert result.points["batch"].tolist() == [1, 6, 11]
    assert result.scores[0].n_skipped == 8


def test_only_the_devices_asked_for(tmp_path: Path) -> None:
    rows = [row("cnn2"), row("cnn2", device="rtx4090")]
    data = write(tmp_path, rows)
    assert [s.device for s in validate(data, resolver=resolver, devices=["rtx4090"]).scores] == ["rtx4090"]
    with pytest.raises(UnknownNameError, match="unknown device 'zeta'; did you mean 'zeta9'"):
        validate(data, resolver=resolver, devices=["zeta"])


def test_broken_tables_beside_the_data_are_errors(tmp_path: Path) -> None:
    data = write(tmp_path, [row("cnn2")])
    (data / "devices.csv").write_text("key,device\nzeta9,Zeta 9\n")
    with pytest.raises(FileError, match=r"devices\.csv:1: vendor: column is missing"):
        validate(data, resolver=resolver)


def test_the_same_input_gives_the_same_figures(tmp_path: Path) -> None:
    data = write(tmp_path, [row("cnn2"), row("cnn4"), row("cnn8")])
    assert validate(data, resolver=resolver).rows == validate(data, resolver=resolver).rows


def test_progress_goes_from_nothing_to_all(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    validate(
        write(tmp_path, [row("cnn2"), row("cnn4")]),
        resolver=resolver,
        progress=lambda done, total, _: told.append((done, total)),
    )
    assert told[0][0] == 0
    assert told[-1] == (2, 2)


def test_results_show_themselves(tmp_path: Path) -> None:
    result = validate(write(tmp_path, [row("cnn2")]), resolver=resolver)
    assert repr(result) == "Validation(1 device modes, 1 rows compared, 0 skipped)"
    assert "zeta9" in result._repr_html_()
    assert list(result.to_frame().columns) == [*KEYS, "reason"]
    assert list(Score.__dataclass_fields__) == [*KEYS, "reason"]
    assert np.isfinite(result.points[["predicted", "low", "high"]].to_numpy()).all()


def test_a_set_whose_networks_nobody_builds_has_its_reasons_and_names_unknown_devices(tmp_path: Path) -> None:
    header = "device,demo,model,input_shape,dtype,fps\n"
    lines = (
        'RK3562,resnet,resnet50,"[1, 3, 224, 224]",INT8,100\n',
        'RK3562,resnet,resnet50,"[1, 3, 224, 224]",INT8,100\n',
        'RK3599,resnet,resnet50,"[1, 3, 224, 224]",INT8,300\n',
    )
    (tmp_path / "rockchip_fps.csv").write_text(header + "".join(lines))
    result = validate(tmp_path, resolver=resolver)
    assert [(s.dataset, s.device, s.n) for s in result.scores] == [
        ("rockchip_fps", "RK3562", 0),
        ("rockchip_fps", "RK3599", 0),
    ]
    reasons = result.skipped.set_index("reason")["n"].to_dict()
    assert reasons["set aside: exact duplicate of another row"] == 1
    assert any(r.startswith("the network cannot be had: unknown network 'resnet/resnet50'") for r in reasons)
    assert any(r.startswith("unknown device 'RK3599'; did you mean") for r in reasons)


def test_a_name_whose_device_nobody_describes_costs_its_own_rows_alone(tmp_path: Path) -> None:
    data = write(tmp_path, [row("cnn2"), row("cnn4", device="Zeta 7")])
    names = "dataset,column,name_in_file,key\ntimm_throughput,device,Zeta 7,zeta7\n"
    (data / "device_names.csv").write_text(names)
    result = validate(data, resolver=resolver)
    assert {s.device: s.n for s in result.scores} == {"zeta9": 1, "Zeta 7": 0}
    assert result.skipped["reason"].str.startswith("unknown device 'Zeta 7'").all()
