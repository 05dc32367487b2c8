"""Scores, interval and file of `fit_law_npu.py`."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from npu_rows import FORMATS
from scipy.stats import kendalltau

from hw_models.cost.laws.catalogue import N_FOLDS, family_fold

if TYPE_CHECKING:
    from fit_law_npu import Fit, Study

    from hw_models.cost.arrays import FloatArray

LEAST_ROWS: Final = 5
QUANTILE: Final = 0.9
HEAD: Final = """\
# The law of NPUs with a matrix unit, a vector unit and a scratchpad; `NpuConstants` in npu.py says what each
# is; rates are those of the typical chip below. Refit: benchmarks/fit_law_npu.py --write writes this file.
# `latency`: 90 % interval of a chip not fitted on. `crossfit`: without a fold of families or a device.
"""


def devices_left_out(study: Study, left: dict[str, Fit]) -> dict[str, Any]:
    """Of each device and format: raw, after one scale, and with the networks' errors on the other devices."""
    found: dict[str, Any] = {}
    for at, name in enumerate(study.devices):
        predicted = study.predict(left[f"device:{name}"].public())
        for part, p in zip(study.parts, predicted, strict=True):
            errors = np.log(p / part.truth)
            others = np.delete(errors - np.nanmedian(errors, axis=0), at, axis=1)
            known = np.isfinite(others).any(axis=1)
            anchor = np.array([np.nanmedian(row) if k else 0.0 for row, k in zip(others, known, strict=True)])
            row = score(p[:, at], part.truth[:, at])
            if row is None:
                continue
            scaled = p[:, at] / np.exp(np.nanmedian(errors[:, at]))
            of_anchor = p[:, at] / np.exp(anchor)
            bias = np.exp(np.nanmedian(np.log(of_anchor / part.truth[:, at])))
            row["after_one_scale"] = score(scaled, part.truth[:, at])
            row["anchored"] = score(of_anchor, part.truth[:, at])
            row["anchored_after_one_scale"] = score(of_anchor / bias, part.truth[:, at])
            found.setdefault(FORMATS[part.form], {})[name] = row
    return {form: {**rows, "mean": _mean(list(rows.values()))} for form, rows in found.items()}


def families_left_out(study: Study, raw: dict[str, Fit]) -> dict[str, Any]:
    """Of each format, the devices' factors known: scores over families left out; the sign of int8 - float."""
    predicted = [np.full_like(p.truth, np.nan) for p in study.parts]
    for fold in range(N_FOLDS):
        fit = raw[f"family:{fold}"]
        for out, part, p in zip(predicted, study.parts, study.predict(fit.free()), strict=True):
            inside = np.array([family_fold(f) == fold for f in part.families])
            out[inside] = p[inside]
    found: dict[str, Any] = {}
    for part, p in zip(study.parts, predicted, strict=True):
        rows = {n: score(p[:, c], part.truth[:, c]) for c, n in enumerate(study.devices)}
        kept = {n: r for n, r in rows.items() if r is not None}
        found[FORMATS[part.form]] = {**kept, "mean": _mean(list(kept.values()))}
    for name, form in (("int8", "int8"), ("w8a16", "w8a16")):
        found[f"sign_of_{name}_minus_float"] = _signs(study, predicted, form)
    return found


def _signs(study: Study, predicted: list[FloatArray], form: str) -> dict[str, Any]:
    """How often the faster of two formats is told, beside what always answering "the integers" scores."""
    forms = [p.form for p in study.parts]
    a, b = forms.index("fp16"), forms.index(form)
    first = {net: i for i, net in enumerate(study.parts[a].networks)}
    right, slower, total = 0, 0, 0
    caught = 0
    for j, net in enumerate(study.parts[b].networks):
        if net not in first:
            continue
        i = first[net]
        truth = study.parts[b].truth[j] - study.parts[a].truth[i]
        told = predicted[b][j] - predicted[a][i]
        both = np.isfinite(truth)
        total += int(both.sum())
        slower += int((truth[both] > 0).sum())
        caught += int(((truth > 0) & (told > 0))[both].sum())
        right += int((np.sign(truth) == np.sign(told))[both].sum())
    return {
        "pairs": total,
        "slower": slower,
        "slower_told": caught,
        "right": _short(right / max(total, 1)),
        "always_faster": _short(1 - slower / max(total, 1)),
    }


def score(predicted: FloatArray, truth: FloatArray) -> dict[str, Any] | None:
    """n, MAPE, median error, 90 % quantile of |log error|, bias, tau; None of too few rows."""
    known = np.isfinite(truth) & np.isfinite(predicted)
    if known.sum() < LEAST_ROWS:
        return None
    ratio = predicted[known] / truth[known]
    return {
        "n": int(known.sum()),
        "mape": _short(np.mean(np.abs(ratio - 1))),
        "median": _short(np.median(np.abs(ratio - 1))),
        "q90": _short(np.quantile(np.abs(np.log(ratio)), QUANTILE)),
        "bias": _short(np.median(ratio)),
        "tau": _short(kendalltau(predicted[known], truth[known]).statistic),
    }


def interval_of(study: Study, left: dict[str, Fit]) -> tuple[float, float]:
    """Factors: the 90 % quantile over devices left out of the 90 % quantile of |log error| on each."""
    quantiles = []
    for at, name in enumerate(study.devices):
        predicted = study.predict(left[f"device:{name}"].public())
        pairs = zip(study.parts, predicted, strict=True)
        errors = np.concatenate([np.log(p[:, at] / part.truth[:, at]) for part, p in pairs])
        quantiles.append(np.quantile(np.abs(errors[np.isfinite(errors)]), QUANTILE))
    half = float(np.quantile(quantiles, QUANTILE))
    return _short(np.exp(-half)), _short(np.exp(half))


def yaml_text(data: dict[str, Any], whole: Fit, left: dict[str, Fit], report: dict[str, Any]) -> str:
    """The file `npu.yaml`."""
    from ruamel.yaml import YAML

    ends = dict(zip(("low", "high"), report["interval_of_an_unseen_device"], strict=True))
    rows = ", ".join(f"{n} {form}" for form, n in report["rows"].items())
    unseen = report["devices_left_out"]["float"]["mean"]
    content = {
        "schema_version": 1,
        "typical": data["typical"],
        "constants": {**_rounded(whole.constants), "latency": dict(ends)},
        "source": "qualcomm_aihub_latency (qualcomm/ai-hub-models @ b61a0090), qnn_dlc, all on the NPU",
        "obtained": f"fit on {report['networks']} networks ({rows}); a device left out, float: MAPE "
        f"{unseen['mape']:.0%} without a scale, tau {unseen['tau']:.2f}",
        "crossfit": {name: {**_rounded(fit.constants), "latency": dict(ends)} for name, fit in left.items()},
    }
    yaml, out = YAML(typ="safe", pure=True), StringIO()
    yaml.width, yaml.sort_base_mapping_type_on_output = 1000, False
    yaml.dump(content, out)
    return HEAD + out.getvalue()


def _mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("mape", "median", "bias", "tau"):
        found[name] = _short(np.mean([r[name] for r in rows]))
    for name in ("after_one_scale", "anchored", "anchored_after_one_scale"):
        if name in rows[0]:
            found[name] = _mean([r[name] for r in rows])
    return found


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items() if k != "latency"}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _short(value: float) -> float:
    return round(float(value), 3)
