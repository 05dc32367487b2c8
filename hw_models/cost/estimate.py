"""The public way to a cost: `estimate` one network on one chip, `estimate_many` on many, `compare` chips."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from hw_models.cost.arrays import CostGrid, Feasibility, Fidelity, GridQuantity, Kernels, Terms
from hw_models.cost.base import COST_UNITS, Cost, Detail, Estimate, show
from hw_models.cost.calibrated import Lawful
from hw_models.cost.chips import Chips, default_lowering, default_precision, fallbacks
from hw_models.cost.energy import Counts, Energies
from hw_models.cost.grid import Evaluated, Prepared, evaluate, way_of
from hw_models.cost.models import CostModel, cost_model
from hw_models.cost.notes import not_modelled_of, reason_of, warnings_of
from hw_models.cost.precision import Compression
from hw_models.errors import InputError, NotCostableError, UnknownNameError
from hw_models.workload.op import Precision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hw_models.calibration.setting import Calibration
    from hw_models.cost.frame import Comparison
    from hw_models.spec.accelerator import Accelerator
    from hw_models.workload.graph import Workload


def estimate(  # noqa: PLR0913  (what a user may set)
    workload: Workload,
    chip: Accelerator | str,
    *,
    precision: str | None = None,
    batch: int | None = None,
    model: str | CostModel = "roofline",
    lowering: str | None = None,
    mode: str | None = None,
    sparsity: str | None = None,
    quantisation: str | None = None,
    mapping: Path | str | None = None,
    runtime: str | None = None,
    calibration: Calibration | Path | str | None = None,
) -> Cost:
    """Cost of one network on one chip: the batch of one of `estimate_many`, with what stands behind it.

    Args:
        workload: the network.
        chip: an accelerator, the name of one that ships, or a chip file; "name@mode" names a power mode.
        precision: what contractions run at; None: the first of fp16, int8, fp32 that the chip has a peak for,
            and the result says which.
        batch: images of one inference; None: as the workload stands (1 for a trace).
        model: name of a cost model.
        lowering: what really runs: "ideal", "eager" or "compiled"; None: compiled on GPU and CPU, else ideal.
        mode: power mode to put the chip in.
        sparsity: "2:4": at most 2 of 4 weights of a contraction are not zero; None: dense.
        quantisation: scheme of the weights, for example "symmetric per_channel" or "asymmetric
            per_group:128"; None: not asked for.
        mapping: file of mappings that layers are to run with, see `hw_models.cost.tiled.mappings`; None: all
            are found.
        runtime: what executes, "torch 2.4.0" or "onnxruntime"; None: what the chip was calibrated with, else
            what is usual. For model "calibrated".
        calibration: of the chip, or its file; None: the one that lies beside the chip's file or ships. For
            model "calibrated".

    Raises:
        NotCostableError: the chip lacks a peak, a bandwidth, a peak at the precision, or the sparse format or
            quantisation asked for; the message names it.
        InputError: a precision, lowering, batch, sparsity or quantisation that there is not; a mapping that
            does not fit its layer.
    """
    accelerator = as_accelerator(chip, mode)
    compression = Compression.of(sparsity, quantisation)
    given = () if calibration is None else (calibration,)
    assembly = asked_model(model, runtime, given).compressing(compression)
    _check_costable(accelerator)
    assembly.check(accelerator)
    named = precision or default_precision(accelerator)
    _check_precision(accelerator, named, assembly)
    _check_compression(accelerator, named, compression)
    way = lowering or usual_lowering(accelerator, named, runtime, assembly)
    kernels = _lower([workload], named, batch, way, compression)
    if mapping is not None:
        kernels = _mapped(kernels, mapping, assembly)
    chips = Chips.of([accelerator])
    found = evaluate(kernels, chips, assembly)
    grid = _grid([workload], chips, kernels, assembly, found)
    return _cost(workload, accelerator, kernels, grid, found.terms, assembly)


def estimate_many(  # noqa: PLR0913  (what a user may set)
    workloads: Sequence[Workload],
    chips: Sequence[Accelerator | str],
    *,
    precision: str | Sequence[str | None] | None = None,
    batch: int | Sequence[int] | None = None,
    model: str | CostModel = "roofline",
    lowering: str | None = None,
    sparsity: str | None = None,
    quantisation: str | None = None,
    runtime: str | None = None,
    calibrations: Sequence[Calibration | Path | str] = (),
) -> CostGrid:
    """Costs of all networks on all chips as arrays; what cannot be told is NaN, with a feasibility code.

    Args:
        workloads: the networks.
        chips: accelerators, names that ship, or chip files.
        precision: for all chips, or one for each; None: each chip's default, see `estimate`.
        batch: images of one inference, for all networks or one each; None: as each workload stands.
        model: see `estimate`.
        lowering: see `estimate`.
        sparsity: see `estimate`.
        quantisation: see `estimate`.
        runtime: see `estimate`.
        calibrations: of any of the chips, see `estimate`.
    """
    accelerators = [as_accelerator(c) for c in chips]
    precisions = _precisions(accelerators, precision)
    compression = Compression.of(sparsity, quantisation)
    assembly = asked_model(model, runtime, calibrations).compressing(compression)
    pairs = zip(precisions, accelerators, strict=True)
    choices = [(p, lowering or usual_lowering(a, p, runtime, assembly)) for p, a in pairs]
    parts: list[tuple[list[int], CostGrid]] = []
    for choice in dict.fromkeys(choices):
        columns = [i for i, made in enumerate(choices) if made == choice]
        kernels = _lower(workloads, choice[0], batch, choice[1], compression)
        picked = Chips.of([accelerators[i] for i in columns])
        found = evaluate(kernels, picked, assembly)
        parts.append((columns, _grid(workloads, picked, kernels, assembly, found)))
    return parts[0][1] if len(parts) == 1 else _side_by_side(parts)


def compare(
    workload: Workload, chips: Iterable[Accelerator | str], **options: str | int | None
) -> Comparison:
    """One network on several chips, a row for each; a chip that cannot be costed is a row that says why.

    Args:
        workload: the network.
        chips: accelerators, names that ship, or chip files.
        **options: `precision`, `batch`, `model`, `lowering`, `sparsity`, `quantisation` of `estimate`.
    """
    from hw_models.cost.frame import Comparison

    costs: list[Cost | tuple[str, str]] = []
    for chip in chips:
        accelerator = as_accelerator(chip)
        try:
            costs.append(estimate(workload, accelerator, **options))  # type: ignore[arg-type]
        except NotCostableError as error:
            costs.append((accelerator.label, str(error)))
    return Comparison(workload.name, tuple(costs))


def asked_model(
    model: str | CostModel, runtime: str | None, calibrations: Sequence[Calibration | Path | str]
) -> CostModel:
    """The cost model of that name, for a runtime and with calibrations given by hand.

    Raises:
        UnknownNameError: no such model.
        InputError: a runtime or a calibration for a model that goes by none.
        FileError: a calibration that is missing, malformed or of another version.
    """
    found = cost_model(model)
    if runtime is None and not calibrations:
        return found
    if found.laws is None:
        what = "runtime" if runtime is not None else "calibration"
        raise InputError(f"model '{found.name}' goes by no {what}; give model='calibrated', or leave it out")
    from hw_models.calibration.file import read_calibration

    read = tuple(read_calibration(c) if isinstance(c, (str, PathLike)) else c for c in calibrations)
    laws = replace(
        found.laws, runtime=runtime or found.laws.runtime, calibrations=read or found.laws.calibrations
    )
    return replace(found, laws=laws)


def as_accelerator(chip: Accelerator | str, mode: str | None = None) -> Accelerator:
    """The accelerator meant by itself, by its name ("orin", "orin@30W") or by its file."""
    if not isinstance(chip, str):
        return chip if mode is None else chip.at_mode(mode)
    from hw_models.spec.load import load_chip

    return load_chip(chip, mode=mode)


def usual_lowering(accelerator: Accelerator, precision: str, runtime: str | None, model: CostModel) -> str:
    """How networks come to a chip where nobody says: as it was measured, else as its class has it."""
    usual = default_lowering(accelerator, runtime)
    if model.laws is None or runtime is not None or not model.laws.own:
        return usual
    from hw_models.calibration.standing import Asked, measured_lowering

    return measured_lowering(
        accelerator, Asked(precision, usual, calibrations=model.laws.calibrations, layout=model.laws.layout)
    )


def _lower(
    workloads: Sequence[Workload],
    precision: str,
    batch: int | Sequence[int] | None,
    lowering: str,
    compression: Compression | None,
) -> Kernels:
    from hw_models.lowering import lower

    kernels = lower(workloads, lowering=lowering, precision=precision, batch=batch)
    return kernels if compression is None else compression.stored(kernels)


def _mapped(kernels: Kernels, file: Path | str, model: CostModel) -> Kernels:
    """The kernels with the mappings that a file gives them."""
    if model.fidelity != Fidelity.TILED:
        raise InputError(
            f"model '{model.name}' maps nothing, so that '{file}' cannot be used; give model='tiled'"
        )
    from hw_models.cost.tiled.mappings import GivenMappings

    return GivenMappings.load(file).applied_to(kernels)


def _check_costable(accelerator: Accelerator) -> None:
    if not accelerator.costable:
        raise NotCostableError(
            f"{accelerator.label} is not costable: {'; '.join(accelerator.why_not_costable())}; "
            f"'codesign chips show {accelerator.name}' lists what is known"
        )


def _check_precision(accelerator: Accelerator, precision: str, model: CostModel) -> None:
    """Unknown names and precisions that the chip has no peak for, its weight-only schemes included."""
    labels = {p.label: p for p in Precision}
    if precision not in labels:
        raise UnknownNameError("precision", precision, labels, f"known: {', '.join(labels)}")
    engines = fallbacks(accelerator) if model.falls_back else [accelerator]
    if np.isnan(Chips.of(engines).mac_peak[:, labels[precision]]).all():
        peak = accelerator.main_engine.peak
        known = ", ".join(f"{p} {show(s.value, 'op/s')}" for p, s in peak.items())
        raise NotCostableError(
            f"{accelerator.label} has no known peak at {precision} "
            f"(engines.{accelerator.main_engine.name}.peak.{precision}); known: {known}"
        )


def _check_compression(accelerator: Accelerator, precision: str, compression: Compression | None) -> None:
    """Sparse formats and quantisation that the main engine's description rules out."""
    reason = compression.refused(accelerator, precision) if compression else None
    if reason:
        raise NotCostableError(f"{accelerator.label}: {reason}; leave it out for dense weights as usual")


def _precisions(
    accelerators: Sequence[Accelerator], precision: str | Sequence[str | None] | None
) -> tuple[str, ...]:
    asked = (
        [precision] * len(accelerators)
        if precision is None or isinstance(precision, str)
        else list(precision)
    )
    if len(asked) != len(accelerators):
        raise InputError(
            f"{len(asked)} precisions given for {len(accelerators)} chips; give one for all or one for each"
        )
    labels = [p.label for p in Precision]
    for name in asked:
        if name is not None and name not in labels:
            raise UnknownNameError("precision", name, labels, f"known: {', '.join(labels)}")
    return tuple(name or _default_or_any(a) for name, a in zip(asked, accelerators, strict=True))


def _default_or_any(accelerator: Accelerator) -> str:
    """The default; of a chip without one fp16, which it has not either: its cells are then unknown."""
    try:
        return default_precision(accelerator)
    except NotCostableError:
        return "fp16"


def _grid(
    workloads: Sequence[Workload], chips: Chips, kernels: Kernels, model: CostModel, found: Evaluated
) -> CostGrid:
    """All networks on chips that share a precision and a lowering."""
    return CostGrid(
        networks=kernels.network,
        chips=chips.names,
        precision=kernels.precision[:1] * len(chips),
        lowering=kernels.lowering[:1] * len(chips),
        batch=kernels.batch,
        model=model.name,
        quantities=found.quantities,
        feasibility=found.feasibility,
        unmodelled_bytes_share=np.array([w.unmodelled_share()["bytes"] for w in workloads], np.float64),
        power_source=found.power_source,
    )


def _side_by_side(parts: Sequence[tuple[list[int], CostGrid]]) -> CostGrid:
    """Grids of the same networks joined along chips, in the order that the columns name."""
    first = parts[0][1]
    order = np.argsort([i for columns, _ in parts for i in columns])

    def along_chips(pick: Callable[[CostGrid], NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([pick(grid) for _, grid in parts], axis=1)[:, order]

    def names(field: str) -> tuple[str, ...]:
        joined = [name for _, grid in parts for name in getattr(grid, field)]
        return tuple(joined[i] for i in order)

    def quantity(name: str) -> GridQuantity:
        value, low, high, fidelity = (
            along_chips(lambda grid, field=field: getattr(grid.quantities[name], field))  # type: ignore[misc]
            for field in ("value", "low", "high", "fidelity")
        )
        return GridQuantity(value, low, high, fidelity)

    return replace(
        first,
        chips=names("chips"),
        precision=names("precision"),
        lowering=names("lowering"),
        quantities={name: quantity(name) for name in first.quantities},
        feasibility=along_chips(lambda g: g.feasibility),
        power_source=along_chips(lambda g: g.power_source),
    )


def _cost(
    workload: Workload,
    accelerator: Accelerator,
    kernels: Kernels,
    grid: CostGrid,
    terms: Terms | None,
    model: CostModel,
) -> Cost:
    """The one cell of a grid with everything that stands behind it."""
    chips = Chips.of([accelerator])
    prepared = Prepared.of(chips, model, *way_of(kernels))
    terms = prepared.terms(kernels) if terms is None else terms
    shares, beside = prepared.shares(terms.seconds[:, :1])[:, 0], prepared.beside(kernels)
    scale = prepared.residual(kernels)
    detail = Detail(
        workload=workload,
        accelerator=accelerator,
        kernels=kernels,
        chips=prepared.chips,
        model=model,
        terms=terms,
        shares=shares if scale is None else shares * scale,
        constants=model.priors.for_chips(chips, grid.lowering[0])[0] if model.priors else None,
        counts=Counts.of(kernels, terms.actions[:, :1]),
        energies=Energies.of(chips),
        start_s=0.0 if beside is None else float(beside[0, 0] * (scale or 1.0)),
        lawful=prepared.adjustment if isinstance(prepared.adjustment, Lawful) else None,
    )
    code = Feasibility(int(grid.feasibility[0, 0]))
    estimates = {name: Estimate.at(grid.quantities[name], 0, 0, unit) for name, unit in COST_UNITS.items()}
    reason = reason_of(code, accelerator, kernels, chips, terms)
    return Cost(
        network=grid.networks[0],
        chip=grid.chips[0],
        precision=grid.precision[0],
        lowering=grid.lowering[0],
        batch=int(grid.batch[0]),
        model=grid.model,
        **estimates,
        feasibility=code,
        reason=reason,
        power_source=str(grid.power_source[0, 0]),
        warnings=warnings_of(workload, estimates, reason, detail),
        not_modelled=not_modelled_of(workload, accelerator, detail),
        detail=detail,
    )
