"""What a report says, before it is a page: plain values in the order in which they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codesign.plots._theme import interval, known

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: as it is printed.
        key: what it sorts by; None sorts last in both directions.
        note: more about it, shown when the cursor rests on it.
        under: a second, smaller line: the interval of a number.
    """

    text: str
    key: float | str | None = None
    note: str = ""
    under: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Column titles and rows of cells; `numeric` columns are aligned right; `marked` rows are highlighted."""

    titles: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int] = frozenset()
    marked: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Figure:
    """A plotly figure with the id of its place in the page and the sentence under it."""

    id: str
    figure: go.Figure
    caption: str


@dataclass(frozen=True, slots=True)
class Card:
    """One figure of the answer: value, interval, and what kind of number it is."""

    label: str
    value: str
    interval: str
    fidelity: str


@dataclass(frozen=True, slots=True)
class Pick:
    """The chosen point: where it stands on the roofline, where its time and energy go, kernel by kernel."""

    title: str
    why: str
    figures: tuple[Figure, ...]
    kernels: Table
    kernels_note: str
    explained: tuple[tuple[str, Table], ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Everything on the page. An empty part is left out, except `gaps`, which is never empty."""

    title: str
    question: str
    answer: str
    cards: tuple[Card, ...]
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    front: Figure | None
    front_table: Table | None
    pick: Pick | None
    chips: Figure | None
    chips_table: Table | None
    constraints: Table
    gaps: tuple[str, ...]
    fidelity: Table
    sources: Table
    environment: Table
    reproduce: tuple[str, ...]


def text_cell(value: Any, note: str = "") -> Cell:
    """A cell of words; None and "" are a dash that sorts last."""
    text = "" if value is None else str(value)
    return Cell(text or "–", text or None, note)


def number_cell(
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    *,
    digits: int = 3,
    note: str = "",
) -> Cell:
    """A number with its 90 % interval; the unit is in the title of its column. Unknown stays "unknown"."""
    text, _, spread = interval(value, low, high, digits=digits).partition(" (")
    return Cell(text, value if known(value) else None, note, spread.removesuffix(")"))


def share_cell(share: float | None) -> Cell:
    """A part of a whole, 0..1, in per cent."""
    return Cell(f"{share:.1%}", share) if known(share) else Cell("unknown")


def table(
    titles: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    numeric: Sequence[int] = (),
    marked: Sequence[int] = (),
) -> Table:
    """A table from plain sequences."""
    return Table(tuple(titles), tuple(tuple(r) for r in rows), frozenset(numeric), frozenset(marked))
