"""Average precision of boxes against pycocotools, which COCO is judged by."""

from math import isnan

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from training.evaluation import bootstrap, resampled
from training.evaluation.detection import IOUS, average_precision, mean_average_precision
from training.evaluation.froc import Image


def drawn(seed: int, images: int, *, ties: bool = False) -> list[Image]:
    """Lesions, marks near some of them, and marks near nothing."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(images):
        lesions = _boxes(rng, int(rng.integers(0, 4)))
        near = np.repeat(lesions, rng.integers(0, 3), axis=0)
        marks = np.vstack([near + rng.normal(0, 3, near.shape), _boxes(rng, rng.integers(0, 5))])
        marks[:, 2:] = np.maximum(marks[:, 2:], marks[:, :2] + 1)
        scores = rng.random(len(marks))
        made.append(Image(str(number // 2), marks, np.round(scores, 1 if ties else 9), lesions))
    return made


def _boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corner, size = rng.uniform(0, 80, (count, 2)), rng.uniform(8, 30, (count, 2))
    return np.hstack([corner, corner + size])


def by_coco(images: list[Image], ious: tuple[float, ...]) -> float:
    def shaped(box: np.ndarray) -> list[float]:
        return [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]

    truths = [(i, box) for i, image in enumerate(images, 1) for box in image.lesions]
    truth = COCO()
    truth.dataset = {
        "images": [{"id": i + 1} for i in range(len(images))],
        "categories": [{"id": 1}],
        "annotations": [
            {
                "id": n, "image_id": i, "category_id": 1, "bbox": shaped(box), "iscrowd": 0,
                "area": float(np.prod(box[2:] - box[:2])),
            }
            for n, (i, box) in enumerate(truths, 1)
        ],
    }  # fmt: skip
    truth.createIndex()
    found = truth.loadRes(
        [
            {"image_id": i, "category_id": 1, "bbox": shaped(box), "score": float(score)}
            for i, image in enumerate(images, 1)
            for box, score in zip(image.marks, image.scores, strict=True)
        ]
    )
    judge = COCOeval(truth, found, "bbox")
    judge.params.iouThrs = np.array(ious)
    judge.evaluate()
    judge.accumulate()
    return float(judge.eval["precision"][:, :, 0, 0, -1].mean())


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_average_precision_is_that_of_pycocotools(
    seed: int, ties: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    images = drawn(seed, 30, ties=ties)
    for iou in (0.2, 0.5):
        assert average_precision(images, iou) == pytest.approx(by_coco(images, (iou,)), abs=1e-12)
    mean = mean_average_precision({"lesion": images})
    assert mean == pytest.approx(by_coco(images, IOUS), abs=1e-12)


def test_a_second_mark_on_a_lesion_is_a_false_one() -> None:
    lesion = np.array([[0.0, 0, 10, 10]])
    once = Image("p", lesion, np.array([0.9]), lesion)
    twice = Image("p", np.vstack([lesion, lesion]), np.array([0.9, 0.8]), lesion)
    late = Image("q", lesion, np.array([0.7]), lesion)
    assert average_precision([once, late], 0.5) == pytest.approx(1.0)
    assert average_precision([twice, late], 0.5) < 0.9


def test_edges_without_lesions_or_marks() -> None:
    nothing, box = np.empty((0, 4)), np.array([[0.0, 0, 10, 10]])
    assert isnan(average_precision([Image("p", box, np.array([0.5]), nothing)], 0.5))
    assert average_precision([Image("p", nothing, np.array([]), box)], 0.5) == 0.0
    assert isnan(mean_average_precision({"mass": [Image("p", nothing, np.array([]), nothing)]}))


def test_classes_without_lesions_do_not_count() -> None:
    box, nothing = np.array([[0.0, 0, 10, 10]]), np.empty((0, 4))
    seen = [Image("p", box, np.array([0.5]), box)]
    absent = [Image("p", nothing, np.array([]), nothing)]
    assert mean_average_precision({"mass": seen, "calcification": absent}) == pytest.approx(1.0)


def test_intervals_of_all_draws_at_once_are_those_of_each() -> None:
    images = drawn(7, 24)
    groups = [image.group for image in images]
    at_once = resampled.average_precision(images, 0.5, bootstrap.draw(groups, 3, 60))
    one_by_one = bootstrap.interval(
        images, groups, lambda some: average_precision(some, 0.5), 3, 60
    )
    assert at_once == pytest.approx(one_by_one)


@pytest.mark.parametrize("seed", [8, 10])
def test_the_means_interval_is_that_of_each_draw(seed: int) -> None:
    by_class = {"mass": drawn(seed, 20), "calcification": drawn(seed + 1, 20)}
    groups = [image.group for image in by_class["mass"]]
    ious = (0.5, 0.75)
    at_once = resampled.mean_average_precision(by_class, bootstrap.draw(groups, 3, 60), ious)

    def mean(some: list[int]) -> float:
        chosen = {name: [images[i] for i in some] for name, images in by_class.items()}
        return mean_average_precision(chosen, ious)

    one_by_one = bootstrap.interval(list(range(20)), groups, mean, 3, 60)
    assert at_once == pytest.approx(one_by_one)
    assert at_once.low < at_once.value < at_once.high


def test_a_draw_without_a_kind_is_judged_by_the_other() -> None:
    box, nothing = np.array([[0.0, 0, 10, 10]]), np.empty((0, 4))
    hit, empty = Image("p", box, np.array([0.5]), box), Image("q", nothing, np.array([]), nothing)
    missed = Image("q", nothing, np.array([]), box)
    by_class = {"mass": [hit, empty], "calcification": [empty, missed]}
    draws = bootstrap.Draws(np.array([0, 1]), np.array([[2, 0], [0, 2], [1, 1]], np.int32))
    found = resampled.mean_average_precision(by_class, draws)
    assert found.value == pytest.approx(0.5)
    assert (found.low, found.high) == pytest.approx((0.025, 0.975))  # of 1, 0 and 0.5
    lost = resampled.mean_average_precision({"mass": [empty, empty]}, draws)
    assert isnan(lost.value)
    assert isnan(lost.low)
