"""What tools call an operator, in the words of `hw_models.workload.op.OpKind`, so that profiles can join."""

from __future__ import annotations

import re
from typing import Final

_WORDS: Final[tuple[tuple[str, str], ...]] = (
    ("attention", r"attention|sdpa|scaled_dot_product|mha"),
    ("conv", r"conv(?!ert)"),
    (
        "gemm",
        r"gemm|matmul|(?<!quantize)linear|addmm|\bb?mm\b|fully_?connected|inner_?product|matrix_?multiply",
    ),
    ("softmax", r"softmax"),
    ("norm", r"(layer|batch|group|instance|rms)_?norm|normali[sz]ation|\blrn\b"),
    ("pool", r"pool"),
    ("resize", r"resize|upsample|interpolate|gridsample"),
    ("reduce", r"reduce|mean|\bsum\b|argmax|argmin|topk"),
    ("gather", r"gather|scatter|embedding|index_select|onehot"),
    ("scan", r"lstm|\bgru\b|\brnn\b|cumsum|scan"),
    ("view", r"\bsize\b|reshape|view|flatten|squeeze|expand|identity|\bslice\b|shape"),
    (
        "layout",
        r"transpose|permute|reorder|reformat|conca|\bcat\b|split|\bpad\b|copy|tile|convert|cast|shuffle",
    ),
    (
        "elementwise",
        r"add|sub|mul|div|relu|sigmoid|logistic|tanh|gelu|silu|swish|clip|clamp|erf|exp|pow|sqrt"
        r"|pointwise|eltwise|elementwise|min|max|abs|neg|asr|shl|clz|lut|quantize|where|equal|less|greater|\bnot\b|\band\b|\bor\b",
    ),
)
"""Words by operator; the first that is found decides, so that a fused "conv + relu" is a convolution."""


def operator_of(kind: str) -> str:
    """Kind of operator as traces name it; "unknown" where no word is known."""
    spaced = kind.lower().removeprefix("aten::")
    forms = (spaced, spaced.replace(" ", ""))
    return next((o for o, words in _WORDS if any(re.search(words, form) for form in forms)), "unknown")
