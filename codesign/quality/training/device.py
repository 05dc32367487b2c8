"""The device of a training: whether it is there, its random numbers, its memory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import torch

from codesign.quality.training.errors import TooLargeError
from hw_models.errors import InputError

if TYPE_CHECKING:
    from codesign.quality.training.plan import TrainingPlan

_FULL: Final = re.compile(
    r"out of memory|can't allocate memory|not enough memory|cannot allocate", re.IGNORECASE
)


def device_of(plan: TrainingPlan) -> torch.device:
    """The device that a plan names.

    Raises:
        InputError: no device of that name here, or one that cannot train at the plan's precision.
    """
    try:
        device = torch.device(plan.device)
    except RuntimeError as error:
        msg = f"device '{plan.device}' given, expected 'cpu', 'cuda' or 'cuda:0'"
        raise InputError(msg) from error
    if device.type not in ("cpu", "cuda"):
        msg = f"device '{plan.device}' given, expected 'cpu', 'cuda' or 'cuda:0'"
        raise InputError(msg)
    if device.type == "cuda":
        seen = torch.cuda.device_count()
        if not seen or (device.index or 0) >= seen:
            there = f"{seen} CUDA device{'s' * (seen != 1)}"
            msg = (
                f"device '{plan.device}' given, but torch {torch.__version__} sees {there}; "
                "use device='cpu', or a CUDA build of torch on a machine with such a GPU"
            )
            raise InputError(msg)
    elif plan.precision != "fp32":
        msg = f"precision '{plan.precision}' on '{plan.device}' given, expected 'fp32': mixed is for CUDA"
        raise InputError(msg)
    return device


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Deterministic algorithms and random numbers of our own; afterwards everything is as it was.

    Two runs are equal on one machine with one number of threads; sums of other lengths round otherwise.
    """
    cuda = device.type == "cuda"
    kept = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    strict, warns = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    if cuda:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    devices = [device.index or 0] if cuda else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = kept
        torch.use_deterministic_algorithms(strict, warn_only=warns)


@contextmanager
def memory_told(module: torch.nn.Module, plan: TrainingPlan, device: torch.device) -> Iterator[None]:
    """Say which network did not fit, instead of a traceback of the allocator.

    Raises:
        TooLargeError: memory ran out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, MemoryError | torch.OutOfMemoryError) or _FULL.search(str(error))):
            raise
        count = sum(p.numel() for p in module.parameters())
        kept = sum(p.numel() * p.element_size() for p in module.parameters())
        copies = 3 if plan.optimiser == "sgd" else 4
        asked = re.search(r"allocate (\d+ bytes|[\d.]+ .?i?B)", str(error))
        wanted = f", and {asked[1]} more were asked for" if asked else ""
        msg = (
            f"training does not fit the memory of '{device}': {count / 1e6:.4g} M parameters take "
            f"{copies * kept / 1e6:.4g} MB with gradients and the optimiser's state, activations of "
            f"batches of {plan.batch} come on top{wanted}; a smaller network, batch or resolution fits"
        )
        if device.type == "cuda":
            torch.cuda.empty_cache()
        raise TooLargeError(msg) from error
