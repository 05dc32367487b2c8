"""The file that `codesign chips new` writes: a form to fill in, or a copy of a chip to start from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from hw_models.errors import InputError, UnknownNameError
from hw_models.spec.load import chip_files
from hw_models.units import BLANK

FORM: Final = """\
# A chip. Fill in every {blank}, then run: codesign chips check {file}
# Every number has a unit and a source; what you do not know stays null or is left out, and is never guessed.
# All fields, for your editor: codesign chips schema --out chip.schema.json
# yaml-language-server: $schema=chip.schema.json
schema_version: 1
name: {name}
title: {name}                   # as people call it
vendor: unknown
device_class: edge_npu          # {classes}
sources:
  datasheet: "title, page, date, and how far it is to be trusted"

engines:                        # the first is the main one
  - name: npu
    kind: npu                   # gpu, cpu, npu, dsp, mcu
    clock: {{value: {blank} MHz, source: datasheet}}
    macs:                       # per cycle, of the whole engine; compared with the peak by the linter
      int8: {{value: {blank}, source: datasheet}}
    peak:                       # dense; one MAC is two ops: "4 TOPS" = "2 TMAC/s"
      int8: {{value: {blank} TOPS, source: datasheet}}
    # vector_peak:              # of the unit that runs activations and norms
    #   fp16: {{value: 0.1 TOPS, source: datasheet}}
    # sparse_peak:              # the doubled figure of structured sparsity belongs here
    #   int8: {{value: 8 TOPS, source: datasheet}}
    # array: {{dims: [64, 64], source: datasheet}}              # rows, columns, for model="tiled"
    # dataflow: {{kind: weight_stationary, source: datasheet}}  # how it works: docs/chips.md has the kinds
    # accumulator_bits: {{value: 32, source: datasheet}}
    memory:                     # its own, innermost first
      - name: sram
        capacity: {{value: {blank} MiB, source: datasheet}}
        # bandwidth: {{value: 64 GB/s, source: datasheet}}
        # double_buffered: true

memory:                         # shared by all engines, innermost first; the last one is off the chip
  - name: dram                  # dram, flash, or host (the link to a host's memory)
    technology: LPDDR4          # energy priors go by it
    bandwidth: {{value: {blank} GB/s, source: datasheet}}
    # bus_bits: {{value: 32, source: datasheet}}
    # rate: {{value: 3200 MT/s, source: datasheet}}
    # capacity: {{value: 4 GiB, low: 2 GiB, high: 8 GiB, source: datasheet}}

# power_modes:                  # mode="15W"; rates of a listed engine that a mode does not state are unknown
#   - name: 15W
#     cap: {{value: 15 W, source: datasheet}}
#     peak: {{npu: {{int8: {{value: 2 TOPS, source: datasheet}}}}}}
# tdp: {{value: 10 W, source: datasheet}}
# process_nm: {{value: 16, source: datasheet}}
# die_area: {{value: 40 mm2, source: datasheet}}
# price: {{value: 99 USD, source: datasheet}}

left_out:                       # what this file does not model
  - "network on chip, clock scaling"
"""


def new_chip(name: str, folder: Path, *, like: str | None = None) -> Path:
    """Write a new chip file and return its path.

    Args:
        name: of the chip and of the file.
        folder: where to write it.
        like: a chip to copy in place of the empty form.

    Returns:
        The file that was written.

    Raises:
        InputError: the name cannot be one, the folder is missing, or the file is there already.
        UnknownNameError: no chip is called `like`.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_]*", name):
        expected = "expected lower-case letters, digits and '_', for example 'my_npu'"
        raise InputError(f"'{name}' cannot be a chip's name; {expected}")
    file = folder / f"{name}.yaml"
    if not folder.is_dir():
        raise InputError(f"'{folder}' is not a folder; make it first, or give another with --out")
    text = _form(name, file) if like is None else _copy(name, like, file)
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise InputError(
            f"'{file}' exists and is not overwritten; take another name, or remove it first"
        ) from None
    return file


def _form(name: str, file: Path) -> str:
    from typing import get_args

    from hw_models.spec.accelerator import DeviceClass

    return FORM.format(name=name, file=file, blank=BLANK, classes=", ".join(get_args(DeviceClass)))


def _copy(name: str, like: str, file: Path) -> str:
    files = chip_files()
    if like not in files:
        raise UnknownNameError("chip", like, files, "run `codesign chips list` for all of them")
    text = re.sub(r"(?m)^name:.*$", f"name: {name}", files[like].read_text(encoding="utf-8"), count=1)
    head = f"# Made from the chip '{like}': change what differs, and give each change its own source.\n"
    return f"{head}# Then run: codesign chips check {file}\n{text}"
