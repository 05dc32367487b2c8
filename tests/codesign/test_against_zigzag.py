"""ZigZag run live beside our search, on a small case; skipped with its reason where it is not installed."""

from __future__ import annotations

import importlib.util

import pytest

from codesign import against_zigzag
from hw_models.errors import MissingExtraError, UnknownNameError

live = pytest.mark.skipif(bool(against_zigzag.why_not()), reason=against_zigzag.why_not() or "installed")


@live
@pytest.mark.filterwarnings("ignore")
def test_both_find_the_same_optimum() -> None:
    result = against_zigzag.compare("edge_tpu_like", "mobilenetv2", layers=1, most_loops=4)
    assert result.layers_run == 1
    assert len(result.bouts) == 3
    for bout in result.bouts:
        assert bout.loss() == pytest.approx(0, abs=1e-12), bout
        assert (bout.recosted_pj, bout.recosted_cycles) == (bout.ours_pj, bout.ours_cycles)
    summary = result.summary()
    assert summary["recost_worst"] == 0
    assert summary["energy"]["ratio"] > 50
    assert list(result.to_frame()["loss"]) == [b.loss() for b in result.bouts]


def test_unknown_names_and_what_is_left_out() -> None:
    with pytest.raises(
        UnknownNameError, match="unknown hardware of ZigZag 'tpu_lik'; did you mean 'tpu_like'"
    ):
        against_zigzag.compare("tpu_lik")
    with pytest.raises(UnknownNameError, match="in-memory computing is not modelled"):
        against_zigzag.compare("aimc")
    with pytest.raises(UnknownNameError, match="unknown network of ZigZag 'resnet'"):
        against_zigzag.compare("tpu_like", "resnet")


def test_without_zigzag_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert "pip install 'codesign[oracles]'" in against_zigzag.why_not()
    with pytest.raises(MissingExtraError):
        against_zigzag.zigzag_inputs()
