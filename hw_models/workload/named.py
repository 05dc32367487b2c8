"""A network as a table of measurements names it: what whoever builds it is asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NamedNetwork:
    """One network of a table, with whatever the table says of it.

    Attributes:
        dataset: the table, by the name of its file up to the first dot: each names networks in its own way.
        name: as the table has it.
        component: part of the network that was measured alone; "": the whole.
        img_size: pixels of a square image; None: not stated or not square.
        input_shape: as the source writes it, "512x1024"; "": not stated.
        params: parameters as the source counts them; None: not stated.
        macs: multiply-accumulates per input, likewise.
        reparameterize: whether training-time branches are merged; None: as the table's source runs networks.
    """

    dataset: str
    name: str
    component: str = ""
    img_size: int | None = None
    input_shape: str = ""
    params: float | None = None
    macs: float | None = None
    reparameterize: bool | None = None
