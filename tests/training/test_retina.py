"""RetinaNet's anchors, matches and loss mean what they say, and the graph is fit to be served."""

from pathlib import Path

import pytest
import torch

from training import export
from training.networks import retina
from triton_repo import contract

pytestmark = pytest.mark.train

SIZE = (128, 96)
SIZES = contract.Sizes(*SIZE, 8)


@pytest.fixture(scope="module")
def network() -> retina.Retina:
    torch.manual_seed(0)
    return retina.Retina(pretrained=False).eval()


def test_there_is_an_anchor_for_each_row_of_the_network(network: retina.Retina) -> None:
    with torch.inference_mode():
        logits, shifts = network(torch.zeros(1, 1, *SIZE))
    around = retina.anchors(SIZE)
    assert logits.shape == (1, len(around), 2)
    assert shifts.shape == (1, len(around), 4)


def test_an_anchor_lies_where_its_row_of_the_network_looks() -> None:
    """A head that copies one cell of a map answers in that cell's rows."""
    network = retina.Retina(pretrained=False).eval()
    head = network.kinds
    with torch.inference_mode():
        for part in head.conv.modules():
            if isinstance(part, torch.nn.Conv2d):
                torch.nn.init.dirac_(part.weight)
                part.bias.zero_()
        head.cls_logits.weight.zero_()
        head.cls_logits.weight[:, 0, 1, 1] = 1.0
        head.cls_logits.bias.zero_()
        levels = [torch.zeros(1, retina.WIDTH, SIZE[0] // s, SIZE[1] // s) for s in retina.STRIDES]
        levels[1][0, 0, 3, 2] = 1.0
        said = head(levels)[0]
    around = retina.anchors(SIZE)[said[:, 0] > 0]
    assert len(around) == len(retina.SIZES)
    middle = (around[:, :2] + around[:, 2:]) / 2
    assert middle.tolist() == [[2.5 * 16, 3.5 * 16]] * 3


def test_every_lesion_has_an_anchor_however_small() -> None:
    lesions = torch.tensor([[10.0, 10.0, 14.0, 15.0], [40.0, 50.0, 64.0, 74.0]])
    found = retina.matches(retina.anchors(SIZE), lesions)
    assert {0, 1} <= set(found.tolist())
    assert (found == -1).float().mean() > 0.9


def test_boxes_placed_without_a_shift_are_their_anchors() -> None:
    around = retina.anchors(SIZE)
    assert torch.allclose(retina.placed(torch.zeros_like(around), around), around)


def test_what_is_ignored_or_not_marked_teaches_nothing() -> None:
    around = retina.anchors(SIZE)
    shifts = torch.zeros(1, len(around), 4)
    nothing = [torch.zeros(0, 4)], [torch.zeros(0, dtype=torch.int64)]
    whole = torch.tensor([[0.0, 0.0, 96.0, 128.0]])

    def gradient(ignored: torch.Tensor, complete: list[bool]) -> torch.Tensor:
        logits = torch.zeros(1, len(around), 2, requires_grad=True)
        said = (logits, shifts)
        retina.loss(said, SIZE, *nothing, [ignored], torch.tensor([complete])).backward()
        assert logits.grad is not None
        return logits.grad[0]

    assert (gradient(torch.zeros(0, 4), [True, True]) > 0).all()
    assert not gradient(whole, [True, True]).any()
    only_masses = gradient(torch.zeros(0, 4), [True, False])
    assert (only_masses[:, 0] > 0).all()
    assert not only_masses[:, 1].any()


def test_every_parameter_has_a_gradient_where_there_is_no_lesion(network: retina.Retina) -> None:
    """Processes that train together add up their gradients one by one."""
    nothing = [torch.zeros(0, 4)], [torch.zeros(0, dtype=torch.int64)], [torch.zeros(0, 4)]
    network.zero_grad()
    said = network(torch.zeros(1, 1, *SIZE))
    retina.loss(said, SIZE, *nothing, torch.tensor([[True, True]])).backward()
    assert all(one.grad is not None for one in network.parameters() if one.requires_grad)


def test_it_learns_one_picture() -> None:
    torch.manual_seed(1)
    network = retina.Retina(pretrained=False)
    picture = torch.full((1, 1, *SIZE), 60.0)
    picture[..., 40:70, 30:60] = 200.0
    boxes, kinds = [torch.tensor([[30.0, 40.0, 60.0, 70.0]])], [torch.tensor([1])]
    ignored, complete = [torch.zeros(0, 4)], torch.tensor([[True, True]])
    steps = torch.optim.AdamW(network.parameters(), lr=2e-3)
    for _ in range(60):
        steps.zero_grad()
        retina.loss(network(picture), SIZE, boxes, kinds, ignored, complete).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        steps.step()
    served = retina.Served(network.eval(), SIZE, 8)
    with torch.inference_mode():
        found, score, kind, count = served(picture.to(torch.uint8))
    assert count[0, 0] > 0
    assert score[0, 0] > 0.3
    assert kind[0, 0] == 1
    assert retina.torchvision.ops.box_iou(found[0, :1], boxes[0])[0, 0] > 0.5


def test_the_graph_keeps_the_contract(network: retina.Retina, tmp_path: Path) -> None:
    torch.manual_seed(2)
    picture = torch.randint(0, 256, (1, 1, *SIZE), dtype=torch.uint8)
    with torch.inference_mode():
        network.kinds.cls_logits.bias.zero_()  # so that there are boxes to compare
    served = retina.Served(network, SIZE, SIZES.boxes)
    path = tmp_path / "retina.onnx"
    # Compares with torch, and raises; the test sees that there was something to compare.
    export.write(served, contract.detector(SIZES), {"image": picture}, path)
    (count,) = export.session(path).run(["count"], {"image": picture.numpy()})
    assert count[0, 0] > 0
