"""Every format on a file: what it says in SI, and what is refused, with the line and the reason."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hw_models.errors import FileError, InputError
from hw_models.measured.importers.catalogue import IMPORTERS, import_profile
from hw_models.measured.importers.source import Source
from hw_models.measured.profile import OperatorTime, Profile, RunFacts

FILES = Path(__file__).parent / "files"
SUMMARY = "tiny_int8_summary_Ethos_U55_High_End_Embedded.csv"


def operator(profile: Profile, name: str) -> OperatorTime:
    return next(o for o in profile.operators if o.name == name)


def changed(tmp_path: Path, name: str, change: Callable[[str], str]) -> Path:
    """A copy of a file with a change; its name tells nothing."""
    path = tmp_path / "profile.txt"
    text = (FILES / name).read_bytes().decode().replace("\r\n", "\n")
    path.write_text(change(text), encoding="utf-8")
    return path


def once(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


def twice(text: str) -> str:
    return text + text


ALL = sorted(p.name for p in FILES.iterdir() if p.suffix != ".md")


@pytest.mark.parametrize("name", ALL)
def test_one_format_alone_recognises_a_file(name: str) -> None:
    source = Source.open(FILES / name)
    assert sum(i.recognises(source) for i in IMPORTERS) == 1


@pytest.mark.parametrize("name", [n for n in ALL if n != "tiny_int8_per-layer.csv"])
def test_content_decides_not_the_name(name: str, tmp_path: Path) -> None:
    given, again = import_profile(FILES / name), import_profile(changed(tmp_path, name, str))
    assert (given.tool, given.networks, given.operators) == (again.tool, again.networks, again.operators)


def test_onnxruntime_steps_and_nodes() -> None:
    """Microseconds of the file by hand: conv2d_1 took 11, 14, 12, 11, 12 after the first run."""
    text = (FILES / "onnxruntime_profile.json").read_text()
    spans = [e["dur"] for e in json.loads(text) if e["name"] == "conv2d_1_nchwc_kernel_time"]
    runs = [e["dur"] for e in json.loads(text) if e["name"] == "model_run"]
    profile = import_profile(FILES / "onnxruntime_profile.json")
    depthwise = operator(profile, "conv2d_1_nchwc")
    assert depthwise.times.n == len(spans) - 1 == 5
    assert depthwise.times.mean_s == pytest.approx(sum(spans[1:]) / 5 * 1e-6)
    assert depthwise.shape == "n=1 g=16 k=1 c=1 oy=32 ox=32 fy=3 fx=3"
    assert (depthwise.engine, depthwise.precision) == ("cpu", "fp32")
    assert operator(profile, "node_linear").shape == "batch=1 m=1 k=10 c=32"
    assert profile.networks[0].times.p50_s == pytest.approx(sorted(runs[1:])[2] * 1e-6)
    assert profile.networks[0].times.max_s == pytest.approx(max(runs[1:]) * 1e-6)
    assert "first run left out" in profile.notes[0]


def test_onnxruntime_of_an_earlier_release_with_fences() -> None:
    old, new = (import_profile(FILES / f"onnxruntime_profile{v}.json") for v in ("_1_16", ""))
    conv = [[(o.name, o.shape) for o in p.operators if o.kind == "Conv"] for p in (old, new)]
    assert conv[0] == conv[1]
    assert old.networks[0].times.n == 3


def test_executorch_operators_without_a_delegate_in_microseconds() -> None:
    profile = import_profile(FILES / "executorch_microseconds.tsv")
    kinds = ["permute_copy.out", "addmm.out", "relu.out", "_softmax.out"]
    assert [o.kind for o in profile.operators] == kinds
    assert {o.engine for o in profile.operators} == {"portable"}
    assert profile.networks[0].times.p50_s == pytest.approx(2.423e-6)
    assert profile.networks[0].times.min_s == pytest.approx(1.803e-6)


def test_executorch_unit_is_in_the_header(tmp_path: Path) -> None:
    profile = import_profile(FILES / "executorch_inspector.tsv")
    assert profile.networks[0].times.p50_s == pytest.approx(0.2297515e-3)
    assert profile.networks[0].times.n == 10
    mean = operator(profile, "native_call_mean.out")
    assert (mean.engine, mean.kind) == ("portable", "mean.out")
    assert mean.times.max_s == pytest.approx(63.614e-6)
    assert not any("DELEGATE" in o.name or "Method" in o.name for o in profile.operators)
    micro = import_profile(changed(tmp_path, "executorch_inspector.tsv", lambda t: t.replace("(ms)", "(us)")))
    assert micro.networks[0].times.p50_s == pytest.approx(0.2297515e-6)


def test_a_time_below_the_resolution_is_unknown_not_zero() -> None:
    second = import_profile(FILES / "executorch_inspector.tsv").operators[-2]
    assert second.name.startswith("Fully Connected")
    assert second.times.p50_s is second.times.mean_s is None


def test_litert_means_and_the_whole() -> None:
    profile = import_profile(FILES / "litert_op_profile.csv")
    assert [o.kind for o in profile.operators] == ["CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "FULLY_CONNECTED"]
    assert profile.operators[0].times.mean_s == pytest.approx(204.1e-6)
    assert profile.operators[0].times.n == profile.networks[0].times.n == 50
    assert profile.networks[0].times.mean_s == pytest.approx(400.1e-6)
    assert profile.networks[0].times.max_s == pytest.approx(656e-6)


def test_litert_initialisation_is_no_run(tmp_path: Path) -> None:
    begins = (
        "============================== Run Order ==============================\n"
        "node type, first, avg_ms, %, cdf%, mem KB, times called, name\n"
        "AllocateTensors, 1.5, 1.5, 100%, 100%, 0, 1, AllocateTensors/0\n\n"
        "Timings (microseconds): count=1 curr=1500\n"
    )
    profile = import_profile(changed(tmp_path, "litert_op_profile.csv", lambda t: begins + t))
    assert profile.operators[0].kind == "CONV_2D"
    assert [n.times.n for n in profile.networks] == [50]


def test_vela_is_an_estimate_with_seconds_kibibytes_and_a_clock() -> None:
    profile = import_profile(FILES / SUMMARY)
    network = profile.networks[0]
    assert profile.truth == "model"
    assert network.times.mean_s == pytest.approx(21281 / 500e6)
    assert network.peak_memory_bytes == pytest.approx(12.953125 * 1024)
    assert (network.device, network.macs, network.clock_hz) == ("ethos_u55_128", 287060, 500e6)


def test_vela_layers_sum_to_the_network() -> None:
    layers = import_profile(FILES / "tiny_int8_per-layer.csv")
    assert sum(o.times.mean_s or 0 for o in layers.operators) == pytest.approx(4.2562e-05)
    assert operator(layers, "t3").times.mean_s == pytest.approx(5040 / 500e6)
    at_1_ghz = import_profile(FILES / "tiny_int8_per-layer.csv", RunFacts(clock_hz=1e9))
    assert operator(at_1_ghz, "t3").times.mean_s == pytest.approx(5.04e-6)


def test_openvino_layers_that_ran() -> None:
    profile = import_profile(FILES / "openvino_detailed_counters.csv")
    assert operator(profile, "node_linear").times.mean_s == pytest.approx(313e-6)
    assert operator(profile, "node_linear").precision == "bf16"
    assert sum(o.times.mean_s or 0 for o in profile.operators) == pytest.approx(355e-6)
    assert len(profile.operators) == 8


def test_openvino_run_gives_a_time_and_a_rate() -> None:
    profile = import_profile(FILES / "openvino_report.csv")
    assert (profile.networks[0].name, profile.networks[0].times.n) == ("tiny", 30)
    frame = profile.to_records(RunFacts(device="epyc", precision="bf16")).frame
    assert list(frame["scenario"]) == ["step", "stream"]
    assert frame["throughput_per_s"].iloc[1] == pytest.approx(15558.43)
    assert frame["max_s"].iloc[0] == pytest.approx(0.16e-3)


def test_aihub_rows_have_placement_memory_and_versions() -> None:
    profile = import_profile(FILES / "aihub_perf.yaml", RunFacts(network="mobilenetv2_100"))
    text = (FILES / "aihub_perf.yaml").read_text()
    assert len(profile.networks) == text.count("inference_time_milliseconds:")
    first = profile.networks[0]
    assert (first.name, first.device, first.precision) == ("mobilenetv2_100", "SA8295P ADP", "fp16")
    assert first.times.mean_s == pytest.approx(1.377e-3)
    assert first.layers == (103, 103, None, None)
    assert first.line == text[: text.index("qnn_dlc")].count("\n") + 1
    assert {n.precision for n in profile.networks} == {"fp16", "w8a16", "w8a16_mixed_int16", "int8"}


def test_trtexec_times_layers_and_shapes() -> None:
    steps = import_profile(FILES / "trtexec_times.json").networks[0].times
    assert steps.n == 3
    assert steps.p50_s == pytest.approx(0.890991e-3)
    plain = import_profile(FILES / "trtexec_profile.json")
    conv = operator(plain, "conv1 + relu1")
    assert (conv.times.n, conv.shape) == (1220, None)
    assert conv.times.p50_s == pytest.approx(39.936e-6)
    joined = import_profile(FILES / "trtexec_profile.json", layers=FILES / "trtexec_layers.json")
    conv = operator(joined, "conv1 + relu1")
    assert conv.shape == "n=1 g=1 k=16 c=3 oy=32 ox=32 fy=3 fx=3"
    assert (conv.kind, conv.precision) == ("Convolution", "fp16")
    assert operator(joined, "fc").shape == "batch=1 m=1 k=10 c=16384"


def first_line(text: str) -> str:
    return text[: text.index("\n") + 1]


REFUSED: dict[str, tuple[str, Callable[[str], str], int | None, str]] = {
    "ort two files": ("onnxruntime_profile.json", twice, 59, "two runs in one file"),
    "ort two sessions in one array": (
        "onnxruntime_profile.json",
        lambda t: t.replace("\n]", ",\n" + t.split("\n")[2].rstrip(",") + "\n]"),
        58,
        "a second session, the first begins on line 2",
    ),
    "ort cut": ("onnxruntime_profile.json", lambda t: t[:20000], None, "did the run end early?"),
    "ort other version": (
        "onnxruntime_profile.json",
        lambda t: t.replace('"op_name"', '"operator"'),
        4,
        "not known",
    ),
    "ort negative": ("onnxruntime_profile.json", once('"dur" :182', '"dur" :-182'), 4, "not negative"),
    "ort never ran": (
        "onnxruntime_profile.json",
        lambda t: t.replace("model_run", "model_rum"),
        None,
        "nothing ran",
    ),
    "executorch two tables": ("executorch_inspector.tsv", twice, 16, "two runs in one file"),
    "executorch other column": (
        "executorch_inspector.tsv",
        once("p90 (ms)", "p95 (ms)"),
        1,
        "column 'p90' is missing",
    ),
    "executorch other unit": (
        "executorch_inspector.tsv",
        lambda t: t.replace("(ms)", "(cycles)"),
        1,
        "unit cycles",
    ),
    "executorch mixed units": ("executorch_inspector.tsv", once("p50 (ms)", "p50 (us)"), 1, "unit ms, us"),
    "executorch no number": ("executorch_inspector.tsv", once("0.2297515", "fast"), 15, "'fast' found"),
    "litert two runs": ("litert_op_profile.csv", twice, 28, "two runs in one file"),
    "litert other column": ("litert_op_profile.csv", once("avg_ms", "avg_us"), 2, "did you mean 'avg_us'"),
    "litert cut line": ("litert_op_profile.csv", once(", [tiny/dw]:1", ""), 4, "7 cells found, expected 8"),
    "vela two summaries": (SUMMARY, twice, 3, "two runs in one file"),
    "vela repeated row": (SUMMARY, lambda t: t + t.split("\n")[1] + "\n", 3, "two runs in one file"),
    "vela mixed units": (SUMMARY, once("4.2562e-05", "0.042562"), 2, "mixed units"),
    "vela other version": (SUMMARY, once("core_clock", "core_clock_mhz"), 1, "is missing"),
    "vela layers without a clock": ("tiny_int8_per-layer.csv", str, 1, "cycles without a clock"),
    "openvino two requests": ("openvino_detailed_counters.csv", twice, 18, "-nireq 1"),
    "openvino other version": (
        "openvino_detailed_counters.csv",
        once("realTime (ms)", "realTime (us)"),
        1,
        "column 5",
    ),
    "openvino cut": (
        "openvino_detailed_counters.csv",
        lambda t: t[: t.index("Total")],
        15,
        "no line 'Total'",
    ),
    "openvino wrong sum": (
        "openvino_detailed_counters.csv",
        once(";0.313;", ";3.130;"),
        None,
        "layers sum to",
    ),
    "openvino two reports": ("openvino_report.csv", twice, 34, "two runs in one file"),
    "openvino no throughput": (
        "openvino_report.csv",
        once("throughput;", "thruput;"),
        1,
        "'throughput' is missing",
    ),
    "aihub two documents": ("aihub_perf.yaml", lambda t: t + "---\n" + t, 327, "two runs in one file"),
    "aihub two files": ("aihub_perf.yaml", twice, 327, "two runs in one file"),
    "aihub negative": ("aihub_perf.yaml", once("milliseconds: ", "milliseconds: -"), 7, "not negative"),
    "aihub other version": (
        "aihub_perf.yaml",
        lambda t: t.replace("components:", "parts:"),
        None,
        "not known",
    ),
    "trtexec two arrays": ("trtexec_times.json", twice, 6, "two runs in one file"),
    "trtexec time runs back": (
        "trtexec_times.json",
        once('"startComputeMs" : 1203.34', '"startComputeMs" : 12.34'),
        4,
        "two runs in one file",
    ),
    "trtexec other version": (
        "trtexec_times.json",
        lambda t: t.replace("latencyMs", "latency"),
        2,
        "'latencyMs'",
    ),
    "trtexec two counts": (
        "trtexec_profile.json",
        once("\n]", '\n, { "count" : 1220 }\n]'),
        6,
        "two runs in one file",
    ),
    "trtexec names alone": (
        "trtexec_layers.json",
        lambda _: '{"Layers": ["conv1"\n,"fc"\n],\n"Bindings": []}\n',
        1,
        "--profilingVerbosity=detailed",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_line_and_reason(case: str, tmp_path: Path) -> None:
    name, change, line, reason = REFUSED[case]
    path = changed(tmp_path, name, change)
    with pytest.raises(FileError, match=re.escape(reason)) as caught:
        import_profile(path)
    (finding,) = caught.value.findings
    assert finding.file == str(path)
    if line is None:
        assert finding.line
    else:
        assert finding.line == line


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\xff\xfe\x00", "is no text"),
        (b"name,age\nada,36\n", "no known profile; known are onnxruntime"),
        (b"[1, 2, 3]", "no known profile"),
    ],
)
def test_foreign_files(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_bytes(content)
    with pytest.raises(FileError, match=reason):
        import_profile(path)


def test_missing_file_names_a_near_one() -> None:
    with pytest.raises(FileError, match=r"did you mean 'aihub_perf\.yaml'"):
        import_profile(FILES / "aihub_pref.yaml")


def test_layers_of_another_engine(tmp_path: Path) -> None:
    other = changed(tmp_path, "trtexec_layers.json", lambda t: t.replace("conv1 + relu1", "stem"))
    with pytest.raises(InputError, match=r"2 of 3 layers are not in .*conv1 \+ relu1"):
        import_profile(FILES / "trtexec_profile.json", layers=other)


def test_records_need_to_know_the_device() -> None:
    profile = import_profile(FILES / "onnxruntime_profile.json")
    with pytest.raises(
        InputError, match="does not say its device; give it, on the command line with --device"
    ):
        profile.to_records(RunFacts(network="tiny"))


def test_records_refuse_what_contradicts_the_file() -> None:
    profile = import_profile(FILES / SUMMARY)
    with pytest.raises(InputError, match="device 'u65' given, but the profile says 'ethos_u55_128'"):
        profile.to_records(RunFacts(device="u65"))


def test_records_keep_every_node_and_its_line() -> None:
    profile = import_profile(FILES / "onnxruntime_profile.json")
    facts = RunFacts(network="tiny", device="epyc", precision="fp32", batch=1)
    frame = profile.to_records(facts, dataset="here").frame
    nodes = frame[frame["operator"].notna()]
    assert len(nodes) == len(profile.operators) == 7
    assert list(nodes["operator"][:2]) == ["conv", "conv"]
    assert nodes["row"].iloc[0] == 4
    assert set(frame["hash"]) == {profile.hash}
    assert frame["p99_s"].isna().all()
