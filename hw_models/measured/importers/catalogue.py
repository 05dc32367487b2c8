"""The formats that are read, and the one function that tells which one a file is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from hw_models.errors import FileError, InputError
from hw_models.measured.importers import aihub, executorch, litert, onnxruntime, openvino, trtexec, vela
from hw_models.measured.importers.source import Source
from hw_models.measured.profile import OperatorTime, Profile, RunFacts


@dataclass(frozen=True, slots=True)
class Importer:
    """One format; a plug-in of the group `codesign.importers` is one of these.

    Attributes:
        name: of the tool.
        what: which of its files, and the option that writes them.
        recognises: whether a file is one, by its content.
        read: what the file says.
    """

    name: str
    what: str
    recognises: Callable[[Source], bool]
    read: Callable[[Source, RunFacts], Profile]


IMPORTERS: Final[tuple[Importer, ...]] = (
    Importer(
        onnxruntime.TOOL,
        "profile JSON (SessionOptions.enable_profiling)",
        onnxruntime.recognises,
        onnxruntime.read,
    ),
    Importer(
        trtexec.TOOL,
        "JSON of --exportTimes, --exportProfile, --exportLayerInfo",
        trtexec.recognises,
        trtexec.read,
    ),
    Importer(executorch.TOOL, "Inspector.save_data_to_tsv", executorch.recognises, executorch.read),
    Importer(
        litert.TOOL,
        "benchmark_model --op_profiling_output_mode=csv",
        litert.recognises,
        litert.read,
    ),
    Importer(vela.TOOL, "summary CSV, per-layer CSV (--verbose-performance)", vela.recognises, vela.read),
    Importer(
        openvino.TOOL,
        "benchmark_app -report_type average_counters or detailed_counters",
        openvino.recognises,
        openvino.read,
    ),
    Importer(aihub.TOOL, "perf.yaml of Qualcomm AI Hub Models", aihub.recognises, aihub.read),
)


def importers() -> tuple[Importer, ...]:
    """Every format: ours, then those of plug-ins that load."""
    from hw_models.registry import plugins

    others = (p.loaded for p in plugins("codesign.importers") if not p.broken)
    return (*IMPORTERS, *(o for o in others if isinstance(o, Importer)))


def import_profile(
    path: str | Path, facts: RunFacts | None = None, *, layers: str | Path | None = None
) -> Profile:
    """Read a profile that another tool wrote; which one follows from the content.

    Args:
        path: the file.
        facts: what the file does not say: network, device, clock.
        layers: trtexec's layer information, which gives the layers of its profile their shapes.

    Raises:
        FileError: where no format fits, or the file is not as its tool writes it.
        InputError: where layer information is given for what is no trtexec profile, or for another engine's.
    """
    source = Source.open(path)
    fitting = [i for i in importers() if i.recognises(source)]
    if len(fitting) != 1:
        known = "; ".join(f"{i.name}: {i.what}" for i in (fitting or importers()))
        raise FileError.at(
            path, f"{'no' if not fitting else 'more than one'} known profile; known are {known}"
        )
    profile = fitting[0].read(source, facts or RunFacts())
    if layers is not None:
        profile = _with_shapes(profile, layers)
    return replace(profile, file=str(path), hash=source.hash)


def _with_shapes(profile: Profile, layers: str | Path) -> Profile:
    source = Source.open(layers)
    if profile.tool != trtexec.TOOL or not profile.operators or not trtexec.has_layers(source):
        raise InputError(
            f"layer information '{layers}' given with a profile of {profile.tool}; "
            "expected --exportProfile and --exportLayerInfo of one trtexec run"
        )
    described = {o.name: o for o in trtexec.read(source, RunFacts()).operators}
    unknown = [o.name for o in profile.operators if o.name not in described]
    if unknown:
        raise InputError(
            f"{len(unknown)} of {len(profile.operators)} layers are not in '{layers}', the first is "
            f"'{unknown[0]}'; expected the layer information of the same engine"
        )
    return replace(profile, operators=_joined(profile.operators, described))


def _joined(timed: Sequence[OperatorTime], described: dict[str, OperatorTime]) -> tuple[OperatorTime, ...]:
    return tuple(
        replace(
            o,
            kind=described[o.name].kind,
            shape=described[o.name].shape,
            precision=described[o.name].precision,
        )
        for o in timed
    )
