"""From the results of a search to the content of its report: read as they stand, nothing is searched."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from codesign.evaluate import CostEvaluator
from codesign.plots import front_figure, front_info
from codesign.plots._theme import axis_title, figures
from codesign.quality.int8_drop import SOURCE, int8_drop
from codesign.report import points
from codesign.report.chips import OnChip, catalogue, chips_figure, chips_table, on_every_chip
from codesign.report.content import Figure, Pick, Report, Table, table, text_cell
from codesign.report.evidence import environment_rows, sources_table
from codesign.report.pick import describe_pick
from hw_models.errors import CodesignError, InputError, UnknownNameError

if TYPE_CHECKING:
    from codesign.search.results import Results
    from codesign.search.trial import Trial
    from hw_models.cost.base import Cost

BESIDE: Final = 3
"""Chips drawn beside the chosen one in its roofline."""

KNEE: Final = (
    "It is the knee: the point nearest to the ideal one, each objective scaled to 0..1 over the front."
)


@dataclass(frozen=True)
class Scene:
    """The chosen point and everything that is costed anew to show it.

    Attributes:
        pick: the chosen trial; why: how it was chosen.
        places: its network on every chip; empty where the space cannot be made again.
        trouble: why there is no detail, "" where there is.
        accuracy_source: where the space has its accuracies from.
        space_size: candidates in the whole space; None where it cannot be made again.
    """

    pick: Trial
    why: str
    places: tuple[OnChip, ...]
    trouble: str = ""
    accuracy_source: str = ""
    space_size: int | None = None

    @property
    def cost(self) -> Cost | None:
        """The chosen point's cost in full."""
        return next((p.cost for p in self.places if p.chip.label == self.pick.evaluation.chip), None)


def gather(results: Results, *, pick: int | None = None) -> Report:
    """The content of a report.

    Args:
        results: a study, or a run folder as it stands.
        pick: number of the trial to describe in detail; None: the knee of the front.

    Raises:
        UnknownNameError: no point of the front has that number.
    """
    front, config = results.front, results.config
    scene = _scene(results, pick)
    chosen = scene.pick if scene else None
    return Report(
        title=_title(results),
        question=config.question or _question(results),
        answer=f"{points.answer(results, scene.pick)} {scene.why}" if scene else points.no_answer(results),
        cards=points.cards(results, scene.pick) if scene else (),
        facts=_facts(results, scene),
        warnings=_warnings(results, scene),
        front=_front(results) if results.trials else None,
        front_table=points.front_table(results, chosen) if front.members else None,
        pick=_pick(scene),
        chips=chips_figure(scene.places, _limits(results)) if scene else None,
        chips_table=chips_table(scene.places, results.demands, scene.pick)
        if scene and scene.places
        else None,
        constraints=points.constraints_table(results),
        gaps=_gaps(results, scene),
        fidelity=points.fidelity_table(results),
        sources=_sources(results, scene),
        environment=_environment(results),
        reproduce=_reproduce(results),
    )


def _scene(results: Results, number: int | None) -> Scene | None:
    front = results.front
    if not front.members:
        return None
    if number is None:
        pick, why = front.knee(), KNEE
    else:
        numbers = {str(t.number): t for t in front.members}
        if str(number) not in numbers:
            raise UnknownNameError(
                "point of the front", str(number), numbers, f"points: {', '.join(numbers)}"
            )
        pick, why = numbers[str(number)], "It was picked by its number."
    try:
        evaluator = _evaluator(results)
        places = tuple(on_every_chip(pick, evaluator, results.demands, catalogue()))
        source = getattr(evaluator.space.networks, "published_source", "")
        return Scene(pick, why, places, accuracy_source=source, space_size=evaluator.space.size)
    except CodesignError as error:
        return Scene(pick, why, (), str(error))


def _evaluator(results: Results) -> CostEvaluator:
    """The evaluator of a live study, else one made anew from the run's configuration."""
    from codesign.config import joint_space, table_quality
    from search_spaces.product import Product

    own = getattr(results, "evaluator", None)
    if isinstance(own, CostEvaluator):
        return own
    c = results.config
    space = joint_space(c)
    if not isinstance(space, Product):
        msg = f"'{space.name}' is a table of results: there is no chip to cost its rows on"
        raise InputError(msg)
    return CostEvaluator(space, table_quality(c, space), c.rate_hz, c.batch, c.model, c.lowering)


def _title(results: Results) -> str:
    return results.folder.path.name if results.folder else "study"


def _question(results: Results) -> str:
    limits = ", ".join(points.limit(c) for c in results.demands.constraints)
    wanted = ", ".join((o.title or o.name).lower() for o in results.demands.objectives)
    return f"Which network on which chip, for the best {wanted}{f' within {limits}' if limits else ''}?"


def _unfinished(results: Results, scene: Scene | None) -> bool:
    """Whether fewer candidates were evaluated than asked for, though the space has more."""
    n, size = len(results.trials), scene.space_size if scene else None
    return n < results.config.n_trials and (size is None or n < size)


def _facts(results: Results, scene: Scene | None) -> tuple[tuple[str, str], ...]:
    c, n = results.config, len(results.trials)
    said = f"{n} of {c.n_trials} planned" if _unfinished(results, scene) else str(n)
    networks = {t.evaluation.network for t in results.trials}
    chips = {t.evaluation.chip for t in results.trials}
    facts = [
        ("trials", said),
        ("on the front", str(len(results.front))),
        ("networks tried", str(len(networks))),
        ("chips in the search", str(len(chips))),
        ("space", c.space),
        ("cost model", c.model),
        ("sampler", c.sampler),
        ("seed", str(c.seed)),
        ("full trainings paid", _paid(results)),
    ]
    return tuple(facts if c.rate_hz is None else [*facts, ("rate", f"{c.rate_hz:g} images/s")])


def _paid(results: Results) -> str:
    """Full-training equivalents in all, and of each stage."""
    stages = results.summary().stages
    if not stages:
        return "none charged: no stages"
    parts = ", ".join(f"{s.stage} {s.paid:.4g} for {s.rated}" for s in stages)
    return f"{sum(s.paid for s in stages):.4g} ({parts})"


def _warnings(results: Results, scene: Scene | None) -> tuple[str, ...]:
    said = []
    if _unfinished(results, scene):
        said.append("Fewer candidates were evaluated than planned: this is the front as it stands.")
    said += [f"{axis_title(name, unit=False)}{rest}." for name, rest in map(_parted, results.front.remarks)]
    if scene and scene.trouble:
        said.append(f"The chosen point is shown without detail: {scene.trouble}")
    if scene and scene.cost:
        said += [f"{w[0].upper()}{w[1:]}." for w in scene.cost.warnings]
    return tuple(said)


def _parted(remark: str) -> tuple[str, str]:
    """A remark as its first word, often the name of a quantity, and the rest."""
    first, space, rest = remark.partition(" ")
    return first, f"{space}{rest}"


def _front(results: Results) -> Figure:
    front = results.front
    table_ = front.points
    goals = {**front.goals, **({"power_w": "min"} if "power_w" in table_ else {})}
    info = front_info(table_, goals)
    return Figure("plot-front", front_figure(info), info.caption)


def _pick(scene: Scene | None) -> Pick | None:
    if scene is None or scene.cost is None:
        return None
    own = scene.pick.evaluation.chip
    fit = [p for p in scene.places if p.chip.label != own and p.trial.verdict.status != "infeasible"]
    rivals = sorted(
        (p for p in fit if p.cost is not None),
        key=lambda p: (p.trial.verdict.status != "feasible", p.trial.value("latency_ms") or float("inf")),
    )
    return describe_pick(scene.cost, [p.cost for p in rivals[:BESIDE] if p.cost], scene.why)


def _limits(results: Results) -> dict[str, float]:
    """Upper limits by column; a limit on power at a rate says nothing about power at full speed."""
    return {c.name: c.bound for c in results.demands.constraints if c.op == "<=" and c.name != "power_w"}


def _gaps(results: Results, scene: Scene | None) -> tuple[str, ...]:
    said = []
    narrow = sum(t.evaluation.error.fidelity == "prior" for t in results.front.members)
    if narrow:
        said.append(
            f"The accuracy that int8 loses, on {narrow} of {len(results.front)} points of the front: nobody "
            f"published it for these networks. It is never taken as no loss: {_int8_loss()} stands in."
        )
    rate = results.config.rate_hz
    at = f"at {rate:g} images/s" if rate else "at full speed"
    said.append(
        f"Power {at} is energy per inference times rate. What the chip draws between two images, and "
        "leakage, are in it only where the chip's file states its idle power; host, camera and board are "
        "not. Only the rated power of a chip, or of its power mode, bounds all that the chip draws."
    )
    if scene is not None and scene.cost is not None:
        shares = scene.cost.detail.workload.unmodelled_share()
        said.append(
            f"Operators without a rule in the chosen network: {shares['bytes']:.2%} of its bytes, "
            f"{shares['output_elements']:.2%} of its output elements."
        )
        said += [
            f"On {scene.cost.chip}: {line}."
            for line in scene.cost.not_modelled
            if not line.startswith("operators without")
        ]
    said.append(
        "Heat over time, functional safety, price, supply, and whether a vendor's compiler takes the network."
    )
    return tuple(said)


def _int8_loss() -> str:
    drop = int8_drop()
    return (
        f"the median of {drop.n} quantised classifiers, {drop.value:.2f} points "
        f"({drop.low:.2g} to {drop.high:.2g})"
    )


def _sources(results: Results, scene: Scene | None) -> Table:
    others = [
        ("limits and objectives", points.limit(c), "", "asked for") for c in results.demands.constraints
    ]
    narrow = ("int8", "loss of accuracy", _int8_loss(), SOURCE)
    published = (scene.accuracy_source,) if scene and scene.accuracy_source else ()
    for t in results.front.members:
        error = t.evaluation.error
        value = "unknown" if error.value is None else f"{figures(100 - error.value)} % top-1"
        others.append(
            (t.evaluation.network, "accuracy", value, "; ".join((*t.evaluation.notes[:1], *published)))
        )
        if error.fidelity == "prior" and narrow not in others:
            others.append(narrow)
    chips = [p.chip for p in scene.places] if scene else []
    return sources_table(scene.cost if scene else None, chips, others)


def _environment(results: Results) -> Table:
    rows = [("report written with " + name, value) for name, value in environment_rows()]
    if results.folder and results.folder.env.is_file():
        ran = json.loads(results.folder.env.read_text("utf-8"))
        rows = [(f"search ran with {name}", str(value)) for name, value in _flat(ran)] + rows
    return table(("What", "Value"), [[text_cell(a), text_cell(b)] for a, b in rows])


def _flat(data: object, prefix: str = "") -> list[tuple[str, object]]:
    if not isinstance(data, dict):
        return [(prefix, data)]
    return [pair for key, value in data.items() for pair in _flat(value, f"{prefix} {key}".strip())]


def _reproduce(results: Results) -> tuple[str, ...]:
    where = results.folder.path if results.folder else None
    if where is None:
        return ("# the study was held in memory; its settings:", *results.config.to_yaml().splitlines())
    return (
        f"codesign search run {where}/config.yaml     # the same seed gives the same front",
        f"codesign report {where}",
        "",
        *results.config.to_yaml().splitlines(),
    )
