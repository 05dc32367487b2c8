"""What was paid for once: on disk, on other chips, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codesign.quality.base import Rating
from codesign.search.archives import KnownQuality, QualityArchive
from codesign.search.results import Run
from codesign.search.stages.stage import Stage
from codesign.search.study import Study
from hw_models.cost.base import Estimate
from hw_models.errors import FileError, InputError, StorageError, UnknownNameError
from search_spaces.candidate import Candidate
from search_spaces.product import Product

ROW = KnownQuality(
    Candidate(depth=3), Estimate(21.5, 21.0, None, "published", "%"), "toy", "ab12", source="x"
)


TWO = ["error_pct", "latency_ms"]


@pytest.fixture(scope="module")
def earlier(joint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "earlier"
    return joint.joint_study(["a40"], folder, objectives=TWO, seed=2).run(24)


def test_an_archive_only_grows_and_a_torn_line_is_cut_off(tmp_path) -> None:
    file = tmp_path / "known.jsonl"
    QualityArchive((ROW,)).append_to(file)
    with file.open("a") as out:
        out.write(ROW.to_line()[:30])
    assert QualityArchive.read(file).rows == (ROW,)
    other = replace(ROW, candidate=Candidate(depth=4))
    QualityArchive((other,)).append_to(file)
    assert QualityArchive.read(file).rows == (ROW, other)
    assert file.read_text().count("\n") == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{oops\n", ":2: is no JSON object"),
        ('{"format": 7}\n', ":2: format 7 given; this release reads format 1 of an archive"),
        ('{"format": 1, "space": "toy"}\n', ":2: is incomplete (KeyError: 'value')"),
        (ROW.to_line().replace("21.5", "null"), ":2: value None given, expected a number"),
    ],
)
def test_a_damaged_line_is_told_with_its_place(tmp_path, line, said) -> None:
    file = tmp_path / "known.jsonl"
    file.write_text(ROW.to_line() + line + ROW.to_line())
    with pytest.raises(FileError) as error:
        QualityArchive.read(file)
    assert f"{file}{said}" in str(error.value)


def test_a_new_chip_has_a_front_before_anything_is_trained(joint, earlier) -> None:
    made = joint.joint_study(["l4"], objectives=TWO, known=earlier)
    assert len(made.front) >= 3
    assert not made.evaluator.paid_for
    assert {t.evaluation.chip for t in made.front.members} == {"l4"}
    known = {(t.evaluation.network, t.evaluation.precision): t.evaluation.error for t in earlier.trials}
    for point in made.front.members:
        e = point.evaluation
        assert e.error == known[e.network, e.precision]
        assert e.notes[0].startswith("error_pct known from ")


def test_what_is_known_is_not_trained_again_and_a_resumed_search_goes_on(joint, earlier, tmp_path) -> None:
    options = {"objectives": TWO, "known": [earlier.folder.path, earlier.front]}
    whole = joint.joint_study(["xavier", "l4"], **options).run(12)
    before = {whole.space.effective(t.candidate) for t in earlier.trials}
    assert len(before) == 24
    assert not before & set(whole.evaluator.paid_for)
    for n in (3, 12):
        joint.joint_study(["xavier", "l4"], tmp_path / "run", **options).run(n)
    run = Run(tmp_path / "run")
    assert run.front.to_frame().equals(whole.front.to_frame())
    assert len(run.points) > len(run.trials) == 12
    with pytest.raises(StorageError, match="known is only there"):
        joint.joint_study(["xavier", "l4"], tmp_path / "run", objectives=TWO)


@pytest.mark.parametrize("staged", [False, True])
def test_other_samplers_do_not_pay_for_what_is_known_either(joint, earlier, staged: bool) -> None:
    space = Product.of(joint.Networks(), ["xavier", "l4"], ("fp16", "fp32"))
    evaluator, rated = joint.Measured(space), []

    class Full:
        def rate(self, network, precision):
            rated.append(Candidate({**network, "precision": precision}))
            return Rating(Estimate(40.0, 39.0, 41.0, "full", "%"))

    stages = [Stage("full", Full(), 1.0)] if staged else None
    options = {"objectives": TWO, "known": earlier, "sampler": "random", "stages": stages}
    study = joint.joint_study(["xavier", "l4"], evaluator=evaluator, **options).run(500)
    errors = {space.effective(t.candidate): t.evaluation.error for t in earlier.trials}
    again = [t.evaluation for t in study.trials if space.effective(t.candidate) in errors]
    assert len(again) > 2
    assert not set(rated if staged else evaluator.paid_for) & set(errors)
    for e in again:
        assert e.error == errors[space.effective(e.candidate)]
        assert e.notes[0].startswith("error_pct known from ")
        assert not e.paid


def test_archives_of_something_else_are_refused(joint, earlier, tmp_path) -> None:
    space = joint.Networks("network") * ["l4"]
    with pytest.raises(UnknownNameError, match=r"which has networks: 'network'; did you mean 'networks'\?"):
        Study(space, TWO, evaluator=joint.Measured(space), known=earlier)
    digest = earlier.config.fingerprint["space networks"]
    row = replace(ROW, candidate=Candidate(wrong=1), space="networks", digest=digest)
    file = tmp_path / "known.jsonl"
    for changed, said in (
        (replace(row, digest="old"), ":1: the knobs of the space 'networks' have changed since"),
        (replace(row, metric="miou"), ":1: the metric is 'miou', expected 'error_pct'"),
        (replace(row, data_set="cifar10"), ":1: measured on 'cifar10', expected 'invented'"),
        (row, ":1: unknown knob of the space"),
    ):
        file.write_text(changed.to_line())
        with pytest.raises(InputError, match=said):
            joint.joint_study(["l4"], objectives=TWO, known=str(file))
    with pytest.raises(InputError, match="expected a run folder, an archive on disk, a study or a front"):
        joint.joint_study(["l4"], objectives=TWO, known=[3])
    with pytest.raises(InputError, match="expected an evaluator with `paid` and `free`"):
        Study(space, TWO, evaluator=lambda _: iter(()), known=str(file))
