"""The space of decoders: published models, both phases against a trace, cache arithmetic."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice

import pytest
import torch

from hw_models.errors import InputError
from hw_models.workload.from_torch import trace
from hw_models.workload.op import OpKind, TensorKind
from search_spaces.candidate import Candidate
from search_spaces.closed_form import differences
from search_spaces.language.decoder import PUBLISHED, Decoder, DecoderPrefill
from search_spaces.testing.conformance import problems
from search_spaces.testing.inputs import zeros_for

DECODE, PREFILL = Decoder(), DecoderPrefill()
LLAMA = PUBLISHED["llama_3_2_1b"]
TINY = Candidate(
    layers=2, width=256, heads=4, kv_heads=2, head_dim=32, ffn=512, vocabulary=32_000, tied=True, qkv="norm",
    context=256,
)  # fmt: skip


@pytest.mark.parametrize("space", [DECODE, PREFILL], ids=["decode", "prefill"])
def test_the_space_holds_to_the_contract(space) -> None:
    assert problems(space, samples=10) == []


# parameters as the model cards of huggingface.co count them (safetensors), a tied embedding once
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("llama_3_2_1b", 1_235_814_400),
        ("llama_3_2_3b", 3_212_749_824),
        ("tinyllama_1_1b", 1_100_048_384),
        ("smollm2_135m", 134_515_008),
        ("smollm2_360m", 361_821_120),
        ("qwen2_5_0_5b", 494_032_768),
        ("qwen2_5_1_5b", 1_543_714_304),
        ("qwen3_0_6b", 596_049_920),
        ("qwen3_1_7b", 1_720_574_976),
    ],
)
def test_published_models_are_candidates_with_the_published_parameters(name, parameters) -> None:
    candidate = PUBLISHED[name]
    assert DECODE.canonical(candidate) == candidate
    assert DECODE.parameters(candidate) == parameters
    assert DECODE.workload(candidate).params == parameters


def test_llama_keeps_32_kib_of_every_token() -> None:
    assert DECODE.kv_bytes_per_token(LLAMA) == 32 * 1024  # 2 x 16 layers x 8 heads x 64 x 2 bytes
    assert DECODE.kv_bytes_per_token(LLAMA, bits=8) == 16 * 1024
    full = LLAMA.replace(context=131_072)
    assert DECODE.kv_cache_bytes(full) == 4 * 2**30
    w = DECODE.workload(LLAMA)
    caches = [t for t in range(w.n_tensors) if w.tensor_kind[t] == TensorKind.INPUT and len(w.shape(t)) == 4]
    assert sum(w.tensor_elements[caches]) * 2 == DECODE.kv_cache_bytes(LLAMA)


def test_macs_of_a_token_by_hand() -> None:
    w = DECODE.workload(LLAMA)
    weights = 1_235_814_400 - 33 * 2048  # every weight but the norms' is used once, the embedding as the head
    attention = 16 * 32 * 2048 * (64 + 64)
    assert w.macs == weights + attention
    prompt = PREFILL.workload(LLAMA)
    layers = weights - 128_256 * 2048
    assert prompt.macs == 2048 * (layers + attention) + 128_256 * 2048  # the scores of the last token alone


@pytest.mark.parametrize("space", [DECODE, PREFILL], ids=["decode", "prefill"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kv_heads": 4, "qkv": "bias", "tied": False},
        {"heads": 8, "kv_heads": 1, "layers": 4, "qkv": "plain", "head_dim": 64},
    ],
    ids=["grouped", "own", "one"],
)
def test_the_workload_is_the_trace_of_the_module_in_every_field(space, changes) -> None:
    candidate = TINY.replace(**changes)
    written = space.workload(candidate)
    with torch.device("meta"):
        module = space.build(candidate)
    traced = trace(module, inputs=zeros_for(written, "meta"), name=written.name, cache=False)
    assert differences(written, traced) == []


def test_decode_says_what_prefill_says() -> None:
    torch.manual_seed(0)
    prefill, decode = PREFILL.build(TINY), DECODE.build(TINY)
    decode.load_state_dict(prefill.state_dict())
    ids = torch.randint(0, 32_000, (1, 256))
    with torch.no_grad():
        scores, *kept = prefill(ids)
        caches = [torch.cat([c[:, :, :-1], torch.zeros_like(c[:, :, :1])], 2) for c in kept]
        again = decode(ids[:, -1:], *caches)
    torch.testing.assert_close(again, scores, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(caches[0], kept[0], atol=1e-4, rtol=1e-4)  # the free place was written


def test_no_token_sees_those_after_it() -> None:
    torch.manual_seed(0)
    module = PREFILL.build(TINY)
    ids = torch.randint(0, 32_000, (1, 256))
    later = torch.cat([ids[:, :200], ids[:, 200:].flip(1)], 1)
    with torch.no_grad():
        (scores, *kept), (others, *changed) = module(ids), module(later)
    for before, after in zip(kept, changed, strict=True):
        torch.testing.assert_close(before[:, :, :200], after[:, :, :200], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(scores, others)


def test_it_learns() -> None:
    torch.manual_seed(0)
    module = PREFILL.build(TINY.replace(tied=False))
    scores, *_ = module(torch.randint(0, 32_000, (2, 256)))
    assert scores.shape == (2, 1, 32_000)
    scores.logsumexp(-1).mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


def test_only_the_new_token_is_written_to_the_cache() -> None:
    w = DECODE.workload(TINY)
    copies = [o for o in w.ops if o.target == "aten.copy_"]
    assert len(copies) == 2 * 2
    assert {o.dims[0] for o in copies} == {2 * 32}  # kv_heads x head_dim
    attention = [o for o in w.ops if o.kind is OpKind.ATTENTION]
    assert all(o.loop["lq"] == 1 and o.loop["lk"] == 256 for o in attention)


def test_key_heads_that_do_not_divide_become_the_most_that_do() -> None:
    assert DECODE.canonical(TINY.replace(heads=12, kv_heads=8))["kv_heads"] == 4
    assert DECODE.canonical(TINY.replace(heads=14, kv_heads=16))["kv_heads"] == 2
    assert all(int(n["heads"]) % int(n["kv_heads"]) == 0 for n in DECODE.neighbours(TINY.replace(kv_heads=4)))


def test_size_counts_canonical_candidates() -> None:
    space = DECODE
    one = {n: next(iter(k)) for n, k in space.knobs.items()}
    pairs = {
        space.canonical(Candidate({**one, "heads": h, "kv_heads": kv}))
        for h in space.knobs["heads"]
        for kv in space.knobs["kv_heads"]
    }
    rest = space.size // len(pairs)
    assert rest * len(pairs) == space.size
    others = [len(k) for n, k in space.knobs.items() if n not in {"heads", "kv_heads"}]
    assert rest == torch.tensor(others).prod()
    assert len(set(islice(space.candidates(), 200))) == 200
    assert all(space.canonical(c) == c for c in islice(space.candidates(), 0, 100_000, 10_007))


def test_a_phase_that_there_is_not() -> None:
    with pytest.raises(InputError, match="phase 'train' given, expected 'prefill' or 'decode'"):
        Decoder(phase="train")  # type: ignore[arg-type]


def test_both_phases_have_names() -> None:
    from search_spaces.catalogue import load_space, reference

    assert load_space("decoder") == DECODE
    assert load_space("decoder_prefill") == PREFILL
    assert reference(PREFILL) == "decoder_prefill"
    assert PREFILL.of_phase("decode").workload(TINY).macs == DECODE.workload(TINY).macs


def test_a_workload_needs_no_torch() -> None:
    code = (
        "import sys; from search_spaces.language.decoder import PUBLISHED, Decoder; s = Decoder(); s.size; "
        "s.workload(PUBLISHED['llama_3_2_1b']); print({'torch', 'pandas'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_it_exports_to_onnx(tmp_path) -> None:
    pytest.importorskip("onnxscript")
    from hw_models.measured.timers.to_onnx import to_onnx
    from hw_models.workload.from_onnx import read_onnx

    inputs = zeros_for(DECODE.workload(TINY))
    file = to_onnx(DECODE.build(TINY), inputs, tmp_path / "decoder.onnx")
    assert read_onnx(file).macs == DECODE.workload(TINY).macs
