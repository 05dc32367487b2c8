"""Whether a supernet ranks as training alone does: tau, its interval, what 90 % scatter by, the file."""

from __future__ import annotations

import json

import numpy as np
import pytest

from codesign.quality.supernet.agreement import RankAgreement, read, write
from hw_models.errors import InputError, StorageError


def _of(shared, alone, params=None) -> RankAgreement:
    n = len(shared)
    return RankAgreement(
        tuple(f"n{i}" for i in range(n)),
        tuple(map(float, shared)),
        tuple(map(float, alone)),
        tuple(params or range(n)),
        "test error after 2 epochs",
        "abc",
    )


def test_tau_by_hand():
    """Of six pairs one is the wrong way round: (5 - 1) / 6."""
    found = _of([1, 2, 3, 4], [10, 20, 40, 30], params=[4, 3, 2, 1])
    assert found.tau == pytest.approx(4 / 6)
    assert found.tau_of_params == pytest.approx(4 / 6)
    assert "the supernet does not beat it" in found.told
    assert found.told.startswith(
        "supernet against 4 networks trained alone (test error after 2 epochs): Kendall tau 0.67 (90 % "
    )
    assert _of([5, 5, 5], [1, 2, 3]).tau == 0.0


def test_thirty_networks_and_a_tau_of_06_are_needed():
    rng = np.random.default_rng(0)
    alone = np.arange(30.0)
    assert _of(alone, alone).ranks
    assert not _of(alone[:29], alone[:29]).ranks
    noise = _of(rng.permutation(alone), alone)
    assert noise.tau < 0.6
    assert not noise.ranks


def test_the_interval_of_tau_holds_it_and_narrows_with_more_networks():
    rng = np.random.default_rng(1)
    widths = []
    for n in (10, 40, 160):
        alone = rng.normal(size=n)
        found = _of(alone + 0.6 * rng.normal(size=n), alone)
        low, high = found.interval
        assert low < found.tau < high
        widths.append(high - low)
    assert widths[0] > widths[1] > widths[2]
    assert _of([1, 2, 3], [1, 2, 3]).interval == (1.0, 1.0)


def test_the_scatter_covers_90_per_cent_of_new_networks():
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(200):
        alone = rng.normal(20, 5, size=40)
        shared = 10 + 1.5 * alone + rng.normal(size=40)
        reach = _of(shared[:30], alone[:30]).scatter
        covered.append(np.mean(np.abs(shared[30:] - 10 - 1.5 * alone[30:]) <= reach))
    assert 0.87 < np.mean(covered) < 0.96
    line = np.arange(12.0)
    assert _of(3 * line + 1, line).scatter == pytest.approx(0, abs=1e-9)


def test_a_file_gives_the_same_back_and_refuses_what_is_not_its_own(tmp_path):
    file, key = tmp_path / "a.json", {"space": "s"}
    assert read(file, key) is None
    found = _of([1, 2, 3], [1, 3, 2])
    write(file, key, found)
    assert read(file, key) == found
    with pytest.raises(
        StorageError, match=r"a.json is of another supernet or version; delete it and compare"
    ):
        read(file, {"space": "other"})
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 99}))
    with pytest.raises(StorageError, match="another supernet or version"):
        read(file, key)
    file.write_text("{")
    with pytest.raises(StorageError, match=r"is no comparison of a supernet \(JSONDecodeError"):
        read(file, key)


def test_figures_that_do_not_match_are_refused():
    with pytest.raises(InputError, match="2, 3 networks and figures given, expected as many of each"):
        _of([1, 2, 3], [1, 2])
    with pytest.raises(InputError, match="at least 3"):
        _of([1, 2], [1, 2])
