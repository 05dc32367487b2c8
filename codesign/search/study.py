"""A study: asks for candidates, evaluates them, tells what came out, and can be killed at any moment."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import optuna
from typing_extensions import override

from codesign.config import (
    CustomObjective,
    StudyConfig,
    chip_names,
    fingerprint,
    joint_space,
    table_quality,
)
from codesign.objectives import CATALOGUE, Constraint, Demands, Objective
from codesign.runs import RunFolder
from codesign.search.asker import EVALUATION, Asker, directions, quiet
from codesign.search.evaluators import cost_evaluator, what_is_free
from codesign.search.guards import (
    StudyWarning,
    need_a_budget,
    need_one_quality,
    need_the_same,
    stop_if_all_failed,
    warn_if_nothing,
)
from codesign.search.naming import objective_name, space_names
from codesign.search.results import Results, demands_of
from codesign.search.samplers import MakeSampler, SamplerChoice, sampler_choice
from codesign.search.signals import Signals, Stopped
from codesign.search.stages.stage import Ladder, Stage, ladder_of
from codesign.search.stages.staged import Staged
from codesign.search.trial import Trial, parquet
from codesign.search.unpaid import paid_if_allowed, paid_if_unknown
from codesign.search.warm_start import WarmStart, known_of
from codesign.search.ways import Reached, beside
from hw_models.errors import InputError
from search_spaces.catalogue import TABLE
from search_spaces.product import Product

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from codesign.evaluate import Evaluation, Evaluator
    from codesign.objectives import Verdict
    from codesign.quality.base import Quality
    from codesign.search.archives import Known
    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a study is."""

    done: int
    total: int
    feasible: int


class Study(Results):
    """A search over networks, chips and precisions, on Optuna.

    The same seed gives the same front, byte for byte, also after the process was killed and the study
    resumed. No point is evaluated twice. When the whole space has been evaluated the study ends by itself.

    With sampler "cost_aware" a trial of a joint space is one training: a network at a precision, never twice,
    shown on the chip that it was picked for. What it is on every other chip is told for nothing; those points
    that nothing told before beats stand in `points`, and the front is that of all `points`.

    Args:
        space: networks times chips (`space * chips`), or any space with an `evaluator` of its own.
        objectives: names of the catalogue, or `Objective`s.
        constraints: quantity -> bound, such as `{"latency_ms": "<= 10"}`.
        seed: of all random choices.
        storage: run folder; None: in memory. A folder that has trials of the same study is continued.
        rate_hz: images per second that the application needs; power is told for it, and chips must keep up
            with it.
        sampler: "nsga2", "cost_aware", "local", "tpe", "random", or a function from a seed to an Optuna
            sampler.
        quality: how good a network is; None: the accuracy published for it.
        stages: ways to rate a network from cheap to dear, in place of `quality`; few candidates go on from
            one to the next, and the last alone makes the front. See `codesign.search.stages`.
        evaluator: what evaluates candidates; None: cost model and quality.
        batch, model, lowering: how cost is told.
        allow_unknown: let points in whose constraints cannot be told, marked.
        allow_unmodelled: let points in of which more than 20 % is not modelled, marked.
        question: what the study answers, for its report.
        known: earlier results for the same networks, whatever the chips: run folders, archives (see
            `codesign.search.archives`), studies, fronts. What they paid for is costed on these chips and
            stands on the front before the first trial, is not trained again, and teaches "cost_aware".

    Raises:
        InputError: a name that there is not, a bound that is none, a space without quality.
        StorageError: the folder holds another study, or something else.
    """

    def __init__(  # noqa: PLR0913 - the contract of the public surface
        self,
        space: SearchSpace,
        objectives: Sequence[str | Objective] = ("error_pct", "latency_ms", "energy_mj"),
        constraints: Mapping[str, str] | Sequence[Constraint] = (),
        *,
        seed: int = 0,
        storage: str | Path | None = None,
        rate_hz: float | None = None,
        sampler: str | MakeSampler | SamplerChoice = "nsga2",
        quality: Quality | None = None,
        stages: Ladder | Sequence[Stage] | None = None,
        evaluator: Evaluator | None = None,
        batch: int = 1,
        model: str = "roofline",
        lowering: str | None = None,
        allow_unknown: bool = False,
        allow_unmodelled: bool = False,
        question: str = "",
        known: Known | Sequence[Known] = (),
        named: StudyConfig | None = None,
    ) -> None:
        demands = Demands.of(
            objectives,
            constraints,
            rate_hz=rate_hz,
            allow_unknown=allow_unknown,
            allow_unmodelled=allow_unmodelled,
        )
        self.space = space
        self.sampler = sampler_choice(sampler)
        ladder = ladder_of(stages)
        config = StudyConfig.made(
            question=question,
            **(space_names(space) if named is None else {"space": named.space, "chips": named.chips}),
            precisions=space.precisions if isinstance(space, Product) else None,
            objectives=tuple(objective_name(o) for o in demands.objectives),
            constraints={c.name: f"{c.op} {c.bound!r}" for c in demands.constraints if not c.implied_by},
            rate_hz=rate_hz,
            seed=seed,
            sampler=self.sampler.name,
            stages=None if ladder is None else ladder.described(),
            batch=batch,
            model=model,
            lowering=lowering,
            allow_unknown=allow_unknown,
            allow_unmodelled=allow_unmodelled,
            quality=None if named is None else named.quality,
            fingerprint=fingerprint(space, quality),
        )
        super().__init__(config, demands, RunFolder(Path(storage)) if storage is not None else None)
        need_one_quality(quality, ladder)
        self.evaluator = evaluator or cost_evaluator(
            space, config, demands, quality, staged=ladder is not None
        )
        self._staged = None if ladder is None else Staged.of(ladder, space, self.evaluator, demands)
        self._start: WarmStart | None = None
        self._free = what_is_free(self.evaluator, demands, space, self.sampler)
        if self._staged is not None:
            self._staged.ledger = self.ledger
            self._staged.free = self._free if self.sampler.needs_costs else None
        self._know(known)
        if self._staged is not None and self._free is not None and self._start is not None:
            self._staged.known = partial(self._start.evaluations, self._free)
        self._waiting: list[Candidate] = []
        self._asker: Asker | None = None
        self._reached: Reached | None = None
        self._memory: optuna.Study | None = None
        self._told: list[FrozenTrial] = []
        self._n_shown = 0
        if self.folder and self.folder.exists:
            stored = need_the_same(self.folder, self.config)
            self.config = self.config.model_copy(update={"n_trials": stored.n_trials})
            self._read_folder(self.folder)

    @classmethod
    def from_config(cls, config: StudyConfig, storage: str | Path | None = None) -> Self:
        """The study that a file describes; `storage` takes the place of the file's."""
        demands = demands_of(config)
        config = config.model_copy(update={"chips": chip_names(config.chips)})
        space = joint_space(config)
        return cls(
            space,
            demands.objectives,
            config.constraints,
            seed=config.seed,
            storage=storage or config.storage,
            rate_hz=config.rate_hz,
            sampler=config.sampler,
            quality=table_quality(config, space),
            batch=config.batch,
            model=config.model,
            lowering=config.lowering,
            allow_unknown=config.allow_unknown,
            allow_unmodelled=config.allow_unmodelled,
            question=config.question,
            known=known_of(config, storage),
            named=config,
        )

    @classmethod
    def resume(cls, path: str | Path) -> Self:
        """The study of a run folder, ready to go on.

        Raises:
            StorageError: no run folder, or its space or chips have changed since.
            CodesignError: a space or an objective that was made in Python; go on there.
        """
        config = StudyConfig.model_validate(RunFolder(Path(path)).need().read_config())
        looked_up = config.space.startswith(TABLE)  # a table states what its objectives are named after
        own = [o.name for o in config.objectives if isinstance(o, CustomObjective) and not looked_up]
        own += [config.sampler] if config.sampler.startswith("custom:") else []
        own += ["stages"] if config.stages is not None else []
        if own:
            msg = f"{path}: '{own[0]}' was given in Python; go on there with cd.Study(..., storage='{path}')"
            raise InputError(msg)
        return cls.from_config(config, path)

    @override
    def __repr__(self) -> str:
        where = f"'{self.folder.path}'" if self.folder else "in memory"
        return f"Study({self.space.name}, {where}, {self.summary()})"

    def run(
        self,
        n_trials: int | None = None,
        *,
        trainings: float | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Self:
        """Evaluate until the study has `n_trials` in all, or the space has no more.

        Args:
            n_trials: trials in all, those of earlier runs included; None: as the study was last asked for.
            trainings: full-training equivalents in all after which nothing more is begun; of a study with
                stages. None: no such limit.
            progress: called after every trial.

        Raises:
            Stopped: Ctrl-C or SIGTERM; what was evaluated is saved.
            StorageError: the disk is full, or somebody else writes the folder; what was evaluated is saved.
            CodesignError: the first round failed as a whole; the message has the first reason.
        """
        total = self.config.n_trials if n_trials is None else n_trials
        need_a_budget(total, trainings, staged=self._staged is not None)
        self.config = self.config.model_copy(update={"n_trials": total})
        with Signals() as signals, self._storing() as keep:
            try:
                feasible = sum(t.feasible for t in self._trials)
                for evaluation in self._evaluations(total, trainings):
                    with signals.held():
                        self._tell(evaluation, keep)
                    feasible += self._trials[-1].feasible
                    if progress is not None:
                        progress(Progress(len(self._trials), total, feasible))
                    warn_if_nothing(self)
                self._write_table()
                stop_if_all_failed(self._trials)
            except KeyboardInterrupt as stop:
                signals.ignore()
                self._write_table()
                raise Stopped.after(len(self._trials), total, self.folder) from stop
            except BaseException:
                self._forget()
                raise
        return self

    @property
    def exhausted(self) -> bool:
        """Whether every point of the space has been evaluated."""
        if self._free is None or not self.sampler.needs_costs:
            return len(self._trials) >= self.space.size
        return len(self._trials) + len(self._free.known) >= self._free.ways.space.size

    @property
    def optuna_study(self) -> optuna.Study:
        """The real Optuna study, for `optuna.visualization`, optuna-dashboard and one's own analyses."""
        if self.folder is not None and self.folder.journal.exists():
            return self.folder.open_journal(directions(self.demands))
        if self._memory is None:
            with quiet():
                self._memory = optuna.create_study(directions=directions(self.demands))
        self._memory.add_trials(self._told[self._n_shown :])
        self._n_shown = len(self._told)
        return self._memory

    def _know(self, known: Known | Sequence[Known]) -> None:
        """Start from what earlier studies paid for."""
        data_set = str(getattr(getattr(self.evaluator, "quality", self.evaluator), "data_set", ""))
        prints = {**self.config.fingerprint, **({"data set": data_set} if data_set else {})}
        if not isinstance(known, Sequence) or len(known):
            if self._free is None:
                msg = "known= given, expected an evaluator with `paid` and `free`, which tells the costs"
                raise InputError(msg)
            name, digest = next((k, v) for k, v in prints.items() if k.startswith("space "))
            self._start = WarmStart.of(known, self._free, (name.removeprefix("space "), digest), data_set)
            self._free = replace(self._free, known=self._start.values(self._free))
            self._start_from(self._start)
            prints["known"] = self._start.digest
        self.config = self.config.model_copy(update={"fingerprint": prints})

    def _evaluations(self, total: int, trainings: float | None) -> Iterator[Evaluation]:
        """Evaluations of new candidates until there are `total` trials, or no more candidates or budget."""
        most = math.inf if trainings is None else trainings
        while len(self._trials) < total and self.ledger.paid < most:
            if not self._waiting:
                stop_if_all_failed(self._trials)
                self._waiting = self._ask(self._need_asker(), len(self._trials))
                if not self._waiting:
                    return
            wanted = self._waiting[: total - len(self._trials)]
            answers = iter(self._answers(wanted))
            for candidate in wanted:
                if self.ledger.paid >= most:
                    return
                evaluation = next(answers, None)
                if evaluation is None or evaluation.candidate != candidate:
                    msg = (
                        f"the evaluator gave {evaluation!r} for {candidate!r}, expected one evaluation for "
                        "each, in order"
                    )
                    raise InputError(msg)
                yield evaluation

    def _answers(self, wanted: Sequence[Candidate]) -> Iterable[Evaluation]:
        """Evaluations of the next candidates of a round; the whole round says who goes on."""
        if self._staged is None and self._free is not None and self.sampler.needs_costs:
            return paid_if_allowed(self.evaluator, self._free, wanted)
        if self._staged is None and self._free is not None and self._start is not None:
            return paid_if_unknown(self.evaluator, self._free, self._start, wanted)
        if self._staged is None:
            return self.evaluator(wanted)
        asked = self._need_asker().round
        earlier = self._trials[: len(self._trials) - (len(asked) - len(self._waiting))]
        settled = sum(t.stage == self._staged.ladder.names[-1] for t in earlier)
        return self._staged.evaluations(asked, wanted, settled)

    def _tell(self, evaluation: Evaluation, keep: Callable[[FrozenTrial], None]) -> None:
        verdict = self.demands.judge(evaluation)
        recorded = {
            n: q.value for n, q in verdict.quantities.items() if n not in CATALOGUE and q.value is not None
        }
        if recorded:
            evaluation = replace(evaluation, facts={**evaluation.facts, **recorded})
        others = self._elsewhere(evaluation, verdict)
        trial = Trial(self._n_points, evaluation, verdict)
        keep(self._need_asker().tell(trial, self._waiting[0], [e for e, _ in others]))
        self._waiting.pop(0)
        self._take(trial, others)

    def _elsewhere(self, evaluation: Evaluation, verdict: Verdict) -> list[tuple[Evaluation, Verdict]]:
        """What was just trained on the other chips of a joint space, where nothing known beats it."""
        if self._free is None or not self.sampler.needs_costs:
            return []
        if self._reached is None:
            self._reached = Reached(self.demands)
            self._reached.add(t.verdict for t in self.points)
        self._reached.add([verdict])
        found = [(e, self.demands.judge(e)) for e in beside(self._free, evaluation, self._reached)]
        self._reached.add(v for _, v in found)
        return found

    @contextmanager
    def _storing(self) -> Iterator[Callable[[FrozenTrial], None]]:
        """Hold the run folder, bring it up to date, and give the function that keeps one told trial."""
        if self.folder is None:
            memory = self.optuna_study
            self.ledger.open(memory.user_attrs, memory.set_user_attr)
            self._prepare(self._told)
            yield self._told.append  # Optuna's study is brought up to date when somebody looks at it
            return
        folder = self.folder
        with folder.writing():
            repaired = folder.repair_journal()
            if repaired:
                warnings.warn(repaired, StudyWarning, stacklevel=4)
            if self._start is not None and not folder.known.exists():
                folder.write_text(folder.known, self._start.to_text())
            folder.write_text(folder.config, self.config.to_yaml())
            folder.write_env()
            study = folder.open_journal(directions(self.demands))

            def keep_paid(name: str, payment: Mapping[str, Any]) -> None:
                with folder.guarded(f"payment {name}"):
                    study.set_user_attr(name, payment)

            self.ledger.open(study.user_attrs, keep_paid)
            self._prepare(study.get_trials(deepcopy=False))

            def keep(trial: FrozenTrial) -> None:
                with folder.guarded(f"trial {len(self._trials)}"):
                    study.add_trial(trial)

            yield keep

    def _prepare(self, stored: Sequence[FrozenTrial]) -> None:
        """Be where the stored trials are: a round that was begun is asked again and goes on."""
        mine = [t for t in stored if EVALUATION in t.user_attrs]
        if self._asker is not None and len(mine) == len(self._trials):
            return
        self._read(stored)
        self._reached = None
        candidates = [t.candidate for t in self._trials]
        asker = self._new_asker()
        begun = len(mine) - len(mine) % asker.round_size
        asker.refill(mine[:begun], candidates[:begun])
        waiting = self._ask(asker, begun) if begun < len(mine) else []
        if waiting[: len(mine) - begun] == candidates[begun:]:
            for trial in self._trials[begun:]:
                asker.tell(trial, waiting.pop(0))
        else:
            warnings.warn(
                "the round that was begun cannot be asked again as it was (another release of Optuna or "
                "of the space?); "
                "the trials count, but the front may differ from that of an uninterrupted run",
                StudyWarning,
                stacklevel=5,
            )
            asker, waiting = self._new_asker(), []
            asker.refill(mine, candidates)
        self._asker, self._waiting = asker, waiting

    def _ask(self, asker: Asker, told: int) -> list[Candidate]:
        """The round after the first `told` trials."""
        if self._free is not None and self._free.ways.of_a_family:
            pairs = zip(self._trials[:told], self._beside[:told], strict=True)
            self._free.ways.renew([[p.candidate for p in (t, *others)] for t, others in pairs])
        return asker.ask()

    def _new_asker(self) -> Asker:
        size = self.sampler.round_size
        if self._staged is not None:  # as many full trainings in a round as without stages
            size = math.ceil(size * self._staged.ladder.widening)
        return Asker(self.space, self.demands, self.sampler, self.config.seed, size, self._free)

    def _need_asker(self) -> Asker:
        assert self._asker is not None, "asked outside of a run"
        return self._asker

    def _forget(self) -> None:
        """Go back to what is stored: the next run starts from there."""
        self._asker, self._waiting = None, []

    def _write_table(self) -> None:
        if self.folder is not None and self._trials:
            self.folder.write_bytes(self.folder.trials, parquet(self.trials_frame()))
