"""The same law has the same fingerprint in every process, so that a calibration holds in all or in none."""

from __future__ import annotations

import os
import subprocess
import sys

ASK = (
    "from hw_models.calibration.setting import fingerprint\n"
    "from hw_models.cost.laws.catalogue import law\n"
    "print(*(fingerprint(law(*k)) for k in (('gpu', 'eager'), ('gpu', 'compiled'), ('cpu', 'compiled'))))"
)


def test_fingerprints_do_not_depend_on_the_seed_of_hashes() -> None:
    told = set()
    for seed in ("3", "4", "6"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        asked = subprocess.run(
            [sys.executable, "-c", ASK], env=env, capture_output=True, text=True, check=True
        )
        told.add(asked.stdout)
    assert len(told) == 1
