"""A profile as records: one row per network and per operator, once device, precision and batch are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw_models.errors import InputError
from hw_models.measured.operator_names import operator_of
from hw_models.measured.profile import PLACEMENT, NetworkTime, OperatorTime, Profile, RunFacts

if TYPE_CHECKING:
    from hw_models.measured.records import Records

Row = dict[str, object]

MAX_COLOURS: Final = 4
"""Channels of an input that may be an image: RGB and one more."""


def records_of(profile: Profile, facts: RunFacts, dataset: str) -> Records:
    """The rows of a profile that have a time; what contradicts itself is set aside. See `Profile.to_records`.

    Raises:
        InputError: where the device or network is known from neither side, or the two differ.
    """
    import pandas as pd

    from hw_models.measured.records import Records

    whole = profile.networks[0] if profile.networks else None
    rows = [row for n in profile.networks for row in _network_rows(n, facts)]
    timed = [o for o in profile.operators if o.times.best_s is not None]
    rows += [_operator_row(o, at, whole, facts) for at, o in enumerate(timed)]
    if not rows:
        raise InputError(f"nothing in {profile!r} has a time, expected a network or an operator that ran")
    frame = pd.DataFrame(rows).assign(
        dataset=dataset,
        phase="infer",
        power_mode=facts.power_mode,
        source=_source(profile),
        file=profile.file or profile.tool,
        hash=profile.hash,
    )
    frame["runtime"] = frame["runtime"].fillna(profile.tool)
    if profile.tool_version is not None:
        frame["runtime_version"] = frame["runtime_version"].fillna(profile.tool_version)
    return Records.from_frame(frame, file=profile.file or profile.tool, strict=False)


def _source(profile: Profile) -> str:
    what = "estimated by" if profile.truth == "model" else "profiled with"
    return f"{what} {profile.tool} {profile.tool_version or ''}".strip()


def _network_rows(network: NetworkTime, facts: RunFacts) -> list[Row]:
    """One for the time of a step, one for the rate: with requests in flight it is no inverse of the time."""
    row = _network_row(network, facts)
    if network.throughput_per_s is None:
        return [row]
    rate = {**row, **dict.fromkeys(network.times.to_row()), "n": network.times.n}
    rate |= {"throughput_per_s": network.throughput_per_s, "scenario": "stream", "threads": network.requests}
    return [row, rate] if network.times.best_s is not None else [rate]


def _network_row(network: NetworkTime, facts: RunFacts) -> Row:
    return {
        "network": _agreed("network", network.name, facts.network),
        "component": network.component,
        "device": _agreed("device", network.device, facts.device),
        "precision": _same("precision", network.precision, facts.precision),
        "batch": _agreed("batch", network.batch, facts.batch, 1),
        "clock_hz": network.clock_hz or facts.clock_hz,
        "mode": network.mode,
        "scenario": "step",
        "engine": network.engine,
        "threads": network.threads,
        "compiled": None if network.compiled is None else int(network.compiled),
        "runtime": network.runtime,
        "runtime_version": network.runtime_version,
        **_input(network.input_shape),
        "peak_memory_bytes": network.peak_memory_bytes,
        "macs": network.macs,
        "energy_j": network.energy_j,
        "row": network.line,
        **dict(zip(PLACEMENT, network.layers, strict=True)),
        **network.times.to_row(),
    }


def _operator_row(operator: OperatorTime, at: int, whole: NetworkTime | None, facts: RunFacts) -> Row:
    """A row of its own for every node: two nodes of one kind and shape are two measurements."""
    whole = whole or NetworkTime(None, operator.times)
    return {
        "network": facts.network or whole.name,
        "operator": operator_of(operator.kind),
        "function": operator.kind,
        "shape": operator.shape,
        "mode": f"node {at}: {operator.name}",
        "scenario": "step",
        "device": _agreed("device", whole.device, facts.device),
        "precision": operator.precision or facts.precision or whole.precision,
        "batch": _agreed("batch", whole.batch, facts.batch, 1),
        "clock_hz": whole.clock_hz or facts.clock_hz,
        "engine": operator.engine,
        "threads": whole.threads,
        "compiled": None if whole.compiled is None else int(whole.compiled),
        "runtime": whole.runtime,
        "runtime_version": whole.runtime_version,
        "row": operator.line,
        **operator.times.to_row(),
    }


def _input(shape: tuple[int, ...] | None) -> Row:
    """Columns on the input; `img_size` is the side of a square image."""
    if shape is None:
        return {}
    square = len(shape) == 4 and shape[1] <= MAX_COLOURS and shape[2] == shape[3]
    return {"input_shape": "x".join(map(str, shape)), "img_size": shape[2] if square else None}


def _agreed(what: str, found: object, given: object, default: object = None) -> object:
    """What the file says, else what was given, else the default; one of them must be there."""
    value = _same(what, found, given)
    value = default if value is None else value
    if value is None:
        raise InputError(f"the profile does not say its {what}; give it, on the command line with --{what}")
    return value


def _same(what: str, found: object, given: object) -> object:
    """What the file says, else what was given; None where neither does."""
    if found is not None and given is not None and found != given:
        raise InputError(
            f"{what} {given!r} given, but the profile says {found!r}; leave it out or correct it"
        )
    return given if found is None else found
