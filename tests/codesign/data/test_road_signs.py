"""The procedural set: a sample is a function of seed, split and number; its slices are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from codesign.data.road_signs.drawing import Disc, Stroke, regular
from codesign.data.road_signs.draws import keys, three_triangular, uniform
from codesign.data.road_signs.scene import NIGHT, OCCLUDED, SHARES, scene
from codesign.data.road_signs.signs import SIGNS
from codesign.data.road_signs.source import road_signs
from hw_models.errors import InputError

SOME = np.arange(130)


def test_a_sample_depends_on_seed_split_and_number_alone() -> None:
    many, few = road_signs(n_train=500), road_signs(n_train=43)
    images = many.train.images[SOME]
    assert np.array_equal(images[:43], few.train.images[np.arange(43)])
    assert np.array_equal(images[[77]], many.train.images[np.array([77])])
    assert np.array_equal(images[[90, 3]], many.train.images[np.array([90, 3])])


def test_splits_and_seeds_share_no_image() -> None:
    data, other = road_signs(), road_signs(seed=1)
    sets = [data.train, data.val, data.test, other.train]
    images = [{image.tobytes() for image in s.images[SOME]} for s in sets]
    assert all(len(found) == len(SOME) for found in images)
    assert len(set.union(*images)) == len(sets) * len(SOME)
    assert data.fingerprint == road_signs().fingerprint != other.fingerprint


def test_every_class_is_as_frequent_as_any_other() -> None:
    counts = np.bincount(road_signs(n_classes=12, n_train=250).train.labels)
    assert len(counts) == 12
    assert counts.max() - counts.min() <= 1


def test_slices_have_their_shares_and_say_what_was_drawn() -> None:
    test = road_signs().test
    shares = {name: float(mask.mean()) for name, mask in test.slices.items()}
    wanted = {"night": NIGHT, "occluded": OCCLUDED, **SHARES}
    assert all(abs(shares[name] - share) < 0.02 for name, share in wanted.items())
    drawn = scene(test.images.words(np.arange(len(test))))  # type: ignore[attr-defined]
    assert drawn.radius[test.slices["small"]].max() < drawn.radius[~test.slices["small"]].min()
    images = test.images[np.arange(600)].mean(axis=(1, 2, 3))
    dark, lit = test.slices["night"][:600], test.slices["glare"][:600]
    assert images[dark & ~lit].mean() < 0.6 * images[~dark & ~lit].mean()
    assert images[lit].mean() > images[~lit].mean()
    assert not (test.slices["rain"] & test.slices["snow"]).any()


def test_a_larger_image_shows_the_same_scene() -> None:
    small, large = (road_signs(resolution=r).test.images[SOME].astype(float) for r in (32, 64))
    shrunk = large.reshape(len(SOME), 3, 32, 2, 32, 2).mean(axis=(3, 5))
    agreement = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(small, shrunk, strict=True)]
    assert np.median(agreement) > 0.9


def test_it_says_that_it_is_drawn() -> None:
    data = road_signs()
    assert data.synthetic
    assert all("synthetic" in text for text in (data.title, repr(data), *data.notes))


def test_signs_differ() -> None:
    assert len(SIGNS) == 43
    from codesign.data.road_signs.render import atlas

    book = atlas(tuple(SIGNS), 32)
    level = 2  # 32 x 32 texels
    drawn = [book.texels[b : b + book.sides[level] ** 2].ravel() for b in book.starts[level]]
    gaps = [np.abs(a - b).mean() for i, a in enumerate(drawn) for b in drawn[:i]]
    assert min(gaps) > 0.004


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"n_classes": 44}, "n_classes=44 given, expected 12 to 43"),
        ({"resolution": 8}, "resolution=8 given, expected at least 16 pixels"),
        ({"n_val": 20}, "n_val=20 given, expected at least one image of each of the 43 classes"),
    ],
)
def test_what_cannot_be_drawn_is_named(wrong: dict[str, int], text: str) -> None:
    with pytest.raises(InputError, match=text):
        road_signs(**wrong)  # type: ignore[arg-type]


def test_distances_by_hand() -> None:
    x, y = np.array([[0.0, 3.0]], np.float32), np.array([[0.0, 4.0]], np.float32)
    assert Disc((0, 0), 1).distance(x, y).tolist() == [[-1.0, 4.0]]
    square = regular(4, 45, radius=2**0.5)
    assert square.distance(x, y) == pytest.approx(np.array([[-1.0, 3.0]]), abs=1e-6)
    assert Stroke(((0, 0), (3, 0)), 1.0).distance(x, y) == pytest.approx(np.array([[-0.5, 3.5]]), abs=1e-6)


def test_random_numbers_are_even_and_independent() -> None:
    words = keys(5, 0, np.arange(20_000))
    u = uniform(words, (4,), salt=1)
    assert u.mean(axis=0) == pytest.approx(np.full(4, 0.5), abs=0.01)
    assert u.var(axis=0) == pytest.approx(np.full(4, 1 / 12), abs=0.003)
    pairs = np.corrcoef(np.hstack([u, uniform(words, (4,), salt=2)]).T) - np.eye(8)
    assert np.abs(pairs).max() < 0.03
    t = three_triangular(words[:500], (8, 8), salt=3)
    assert t.mean() == pytest.approx(0, abs=0.01)
    assert t.std() == pytest.approx(6**-0.5, abs=0.01)  # of a sum of two uniforms on (-1/2, 1/2)
