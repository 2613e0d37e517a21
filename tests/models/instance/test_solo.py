"""SOLO compared with its papers: grids, losses, matrix NMS, detections."""

from itertools import pairwise
from math import inf

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.ops import masks_to_boxes, roi_align, sigmoid_focal_loss

from napari_segkit import ModelSpec
from napari_segkit.models import Inputs
from napari_segkit.models.instance import solo, solo_inference, solo_matrix_nms
from napari_segkit.models.instance.object_scales import choose_levels
from napari_segkit.models.instance.solo_inference import bounding_boxes, candidates, detect
from napari_segkit.models.instance.solo_layers import mask_logits
from napari_segkit.models.instance.solo_matrix_nms import (
    MAX_NEIGHBOURS,
    better_neighbours,
    matrix_nms,
    pairwise_iou,
)
from napari_segkit.models.instance.solo_targets import (
    Level,
    assign_objects,
    category_loss,
    centres_of_mass,
    dice_loss,
    make_grids,
)
from napari_segkit.models.meta_device import meta_device


def network_of(channels=1, classes=2, encoder="resnet18"):
    torch.manual_seed(0)
    return solo.build(ModelSpec("solo", encoder=encoder), Inputs(channels, classes, (1.0, 1.0)))


def discs(count, shape, radius=5, classes=2, seed=0):
    """Image of touching bright discs on a grid of `2 * radius` pixels, and its target."""
    random = np.random.default_rng(seed)
    y, x = np.indices(shape)
    step = 2 * radius
    lattice = [
        (a, b) for a in range(step, shape[0] - radius, step)
        for b in range(step, shape[1] - radius, step)
    ]  # fmt: skip
    places = [lattice[i] for i in random.permutation(len(lattice))[:count]]
    masks = [(y - a) ** 2 + (x - b) ** 2 < radius**2 for a, b in places]
    masks = np.array(masks, np.uint8).reshape(-1, *shape)
    image = masks.sum(0) * 0.7 + random.normal(0.1, 0.05, shape)
    target = {
        "boxes": masks_to_boxes(torch.from_numpy(masks)) + torch.tensor([0.0, 0, 1, 1])
        if count
        else torch.zeros(0, 4),
        "labels": torch.from_numpy(random.integers(1, classes, count)),
        "masks": torch.from_numpy(masks),
    }
    return torch.from_numpy(image).float()[None], target


@pytest.fixture(scope="module")
def sure():
    """A network that is sure enough of every cell, and images of discs."""
    network = network_of(classes=3).eval()
    network.set_sizes(np.full((9, 2), 10.0))
    network.head.category[-1].bias.data.fill_(-1.5)
    return network, torch.stack([discs(n, (64, 64), seed=n)[0] for n in (8, 16)])


def learn(network, images, targets, steps, rate=1e-3):
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate)
    network.train()
    for _ in range(steps):
        loss = sum(network(images, targets).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()


@torch.no_grad()
def detections(network, images):
    return network(images)


@pytest.mark.parametrize("encoder", ["resnet18", "mobilenet_v3_large"])
def test_losses_are_finite_with_no_objects_and_with_hundreds(encoder):
    network = network_of(encoder=encoder)
    network.set_sizes(np.full((9, 2), 10.0))
    images, targets = zip(*(discs(n, (160, 160)) for n in (0, 200)), strict=True)
    assert [len(target["boxes"]) for target in targets] == [0, 200]
    losses = network.train()(torch.stack(images), targets)
    assert all(loss.ndim == 0 and torch.isfinite(loss) for loss in losses.values())
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
    empty = network(images[0][None], targets[:1])
    assert empty["mask"] == 0
    assert torch.isfinite(empty["category"])
    sum(empty.values()).backward()


def test_the_same_seed_gives_the_same_losses():
    images, target = discs(150, (128, 160))
    first, second = (network_of().train()(images[None], [target])["mask"].item() for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("channels", "size"), [(1, (64, 64)), (2, (96, 64)), (5, (64, 160))])
def test_any_channels_and_sizes(channels, size):
    network = network_of(channels).eval()
    network.head.category[-1].bias.data.fill_(-1.5)  # sure enough of every cell
    found = detections(network, torch.rand(2, channels, *size))
    assert len(found) == 2
    for one in found:
        assert len(one["boxes"]) == len(one["scores"]) == len(one["labels"]) == len(one["masks"])
        assert len(one["boxes"]) > 0
        assert (one["boxes"][:, 2:] > one["boxes"][:, :2]).all()
        assert (one["boxes"] >= 0).all()
        assert (one["boxes"][:, 2:] <= torch.tensor([size[1], size[0]])).all()


def test_detections_are_valid(sure):
    network, images = sure
    for found, count in zip(detections(network, images), (8, 16), strict=True):
        assert len(found["scores"]) >= count / 2
        assert found["masks"].shape == (len(found["scores"]), 28, 28)
        assert found["masks"].dtype == torch.float32
        assert 0 <= found["masks"].min() <= found["masks"].max() <= 1
        assert found["labels"].dtype == torch.int64
        assert set(found["labels"].tolist()) <= {1, 2}
        assert found["scores"].min() >= network.floor
        assert (found["scores"].diff() <= 0).all()


def test_an_empty_image_has_no_detections():
    (found,) = detections(network_of().eval(), torch.zeros(1, 1, 64, 64))
    assert found["boxes"].shape == (0, 4)
    assert found["masks"].shape == (0, 28, 28)
    assert found["scores"].shape == found["labels"].shape == (0,)


def test_the_state_dict_restores_the_network(sure):
    network, images = sure
    other = network_of(classes=3).eval()
    assert other.sizes_text() != network.sizes_text()
    other.load_state_dict(network.state_dict())
    assert other.sizes_text() == network.sizes_text() == "grids with cells of 5 pixels"
    for one, two in zip(detections(network, images), detections(other, images), strict=True):
        assert all(torch.equal(one[key], two[key]) for key in one)


def test_shapes_on_the_meta_device_are_the_same():
    with meta_device():
        bare = network_of(3, 4)
    shapes = {name: tensor.shape for name, tensor in bare.state_dict().items()}
    assert shapes == {name: t.shape for name, t in network_of(3, 4).state_dict().items()}
    assert all(tensor.is_meta for tensor in bare.state_dict().values())


def test_grids_follow_the_sizes_of_the_objects():
    assert choose_levels(np.full((5, 2), 20.0)) == [(pytest.approx(32 / 3), 0.0, inf)]
    random = np.random.default_rng(0)
    sizes = np.exp(random.uniform(np.log(10), np.log(80), (4000, 1))) * [[1, 1]]
    levels = choose_levels(sizes)
    assert [start for _, start, _ in levels] == sorted(start for _, start, _ in levels)
    assert (levels[0][1], levels[-1][2]) == (0.0, inf)
    for cell, start, end in levels[1:-1]:
        assert 0.4 < cell / (start * end) ** 0.5 < 0.6
    for (*_, end), (_, start, _) in pairwise(levels):
        assert start < end  # no scale is nobody's
    assert len(choose_levels(np.repeat([[1.0, 1.0], [4000.0, 4000.0]], 9, axis=0))) == 5


def test_a_larger_image_has_more_cells_of_the_same_size():
    levels = choose_levels(np.full((5, 2), 16.0))
    (small,), (large,) = make_grids(levels, 128, 160), make_grids(levels, 256, 320)
    assert (small.rows, small.columns) == (16, 20)
    assert large.count == 4 * small.count
    assert large.cell_geometry(torch.device("cpu"))[0].tolist() == [4.0, 4.0, 8.0]


def test_cells_of_a_moved_tile_are_the_same():
    for size in np.linspace(8, 64, 50):
        ((cell, _, _),) = choose_levels(np.full((1, 2), size))
        assert (32 / cell) == pytest.approx(round(32 / cell))
    assert choose_levels(np.full((1, 2), 96.0)) == [(48.0, 0.0, inf)]


def test_cells_are_assigned_to_objects_by_centre_region():
    """Cells of 10 pixels; small: one cell. Wide: centre region of 10.5 by 4 pixels, two cells."""
    levels = [Level(10.0, 0.0, 24.0, 4, 6), Level(20.0, 22.0, inf, 2, 3)]
    boxes = torch.tensor([[1.0, 1, 9, 9], [2, 22, 54, 38], [0, 0, 60, 40], [33, 3, 37, 7]])
    centres = torch.tensor([[5.0, 5], [29, 33], [33, 6], [35, 5]])
    owners = assign_objects(levels, boxes, centres)
    fine, coarse = owners[:24].view(4, 6), owners[24:].view(2, 3)
    wanted = torch.full((4, 6), -1)
    wanted[0, 0], wanted[0, 3] = 0, 3
    assert torch.equal(fine, wanted)  # the second's scale, 28.8, is not the fine grid's
    # The large one's region, 27..39 x 2..10, meets one coarse cell; the wide one's, 23.8..34.2
    # x 31.4..34.6, one.
    assert coarse.tolist() == [[-1, 2, -1], [-1, 1, -1]]
    assert (assign_objects(levels, boxes[:0], centres[:0]) == -1).all()


def test_a_centre_region_has_several_cells_and_the_smallest_object_a_contested_one():
    level = Level(4.0, 0.0, inf, 10, 10)
    boxes = torch.tensor([[0.0, 0, 40, 40], [17, 17, 21, 21]])
    owners = assign_objects([level], boxes, torch.tensor([[20.0, 20], [19, 19]])).view(10, 10)
    assert (owners == 0).sum() == 8  # 16..24 is cells 4..6, of which the small one has one
    assert torch.equal(torch.nonzero(owners == 1), torch.tensor([[4, 4]]))


def test_touching_nuclei_keep_a_cell_each():
    _, target = discs(300, (192, 192))
    assert len(target["boxes"]) == 300
    network = network_of()
    network.set_sizes(np.full((9, 2), 10.0))
    levels = make_grids(network.levels.tolist(), 192, 192)
    owners = assign_objects(levels, target["boxes"], centres_of_mass(target["masks"]))
    assert len(owners.unique()) == 301


def test_centres_of_mass():
    masks = torch.zeros(2, 8, 8, dtype=torch.uint8)
    masks[0, 2:4, 1:7] = 1
    masks[1, 0, 0] = 1
    assert centres_of_mass(masks).tolist() == [[4.0, 3.0], [0.5, 0.5]]


def test_a_kernel_gives_the_same_mask_from_any_cell():
    """Coordinates move with the cell; features do not."""
    random = torch.Generator().manual_seed(0)
    kernel = torch.randn(1, 10, generator=random)
    features = torch.zeros(4, 32, 32)
    features[:, 4:12, 4:12] = torch.randn(4, 8, 8, generator=random)
    moved = features.roll((8, 8), (1, 2))
    here = mask_logits(kernel, features, torch.tensor([[16.0, 16, 8]]))
    there = mask_logits(kernel, moved, torch.tensor([[32.0, 32, 8]]))
    torch.testing.assert_close(here[:, :24, :24], there[:, 8:, 8:])
    u = (torch.arange(32) * 2 + 1 - 16) / 8
    v = u[:, None]
    a, b, aa, bb, ab, one = kernel[0, 4:]
    wanted = torch.einsum("e,eyx->yx", kernel[0, :4], features) + one
    wanted = wanted + a * u + b * v + aa * u**2 + bb * v**2 + ab * u * v
    torch.testing.assert_close(here[0], wanted)


def test_masks_in_windows_equal_masks_in_the_full_image(monkeypatch):
    random = torch.Generator().manual_seed(0)
    levels = make_grids([(4.0, 0.0, 10.0), (16.0, 10.0, inf)], 160, 224)
    places = torch.cat([level.cell_geometry(torch.device("cpu")) for level in levels])
    scores = torch.zeros(len(places), 1)
    scores[torch.randperm(len(places), generator=random)[:60]] = 0.9
    scores[-8:] = 0.8
    kernels = torch.zeros(len(places), 10)  # discs about their cells, frayed by the features
    kernels[:, :4] = torch.rand(len(places), 4, generator=random)
    kernels[:, 6:8], kernels[:, 9] = -2.0, 3.0
    kernels[::9, 6] = -0.01  # some are long
    features = 0.3 * torch.randn(4, 80, 112, generator=random)
    seen = []

    def spy(kernels, features, places):
        seen.append(features.shape[-2:])
        return mask_logits(kernels, features, places)

    monkeypatch.setattr(solo_inference, "mask_logits", spy)
    near = detect(scores, kernels, places, features, 0.05)
    assert seen == [(32, 32), (64, 64), (80, 112), (80, 112)]  # of the fine grid, of the coarse one
    monkeypatch.setattr(solo_inference, "WINDOW_RADIUS", 1000.0)
    anywhere = detect(scores, kernels, places, features, 0.05)
    assert len(near["boxes"]) > 20
    assert (near["boxes"][:, 2] - near["boxes"][:, 0]).max() > 70
    for name, values in anywhere.items():
        torch.testing.assert_close(near[name], values)


def test_distant_pixels_do_not_change_the_output():
    """An object has the same output in a tile as in the full image."""
    network = network_of().eval()
    images = torch.rand(1, 1, 64, 1024).repeat(2, 1, 1, 1)
    images[1, :, :, 960:] = 5.0
    levels = make_grids([(8.0, 0.0, inf)], 64, 1024)
    with torch.no_grad():
        maps = network.backbone(images)
        stem = maps.pop("stem")
        pyramid = list(network.fpn(maps).values())
        features = network.mask_branch(stem, pyramid)
        categories, kernels = (v.unflatten(1, (8, 128)) for v in network.head(pyramid, levels))
    assert torch.equal(features[0, ..., :128], features[1, ..., :128])
    assert not torch.equal(features[0, ..., 400:], features[1, ..., 400:])
    for values in (categories, kernels):
        assert torch.equal(values[0, :, :32], values[1, :, :32])


def test_category_loss_is_the_focal_loss_over_the_positive_cells():
    logits = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    classes = torch.zeros(50, dtype=torch.int64)
    classes[:3] = torch.tensor([1, 2, 1])
    wanted = torch.zeros(50, 2)
    wanted[[0, 1, 2], [0, 1, 0]] = 1
    p = torch.where(wanted == 1, logits.sigmoid(), 1 - logits.sigmoid())
    by_hand = (-0.5 * (1 - p) ** 2 * p.log()).sum() / 3  # Lin et al. 2017, eq. (5)
    assert category_loss(logits, classes) == pytest.approx(by_hand.item(), rel=1e-5)
    ready_made = sigmoid_focal_loss(logits, wanted, 0.5, 2, "sum") / 3
    assert category_loss(logits, classes) == pytest.approx(ready_made.item(), rel=1e-5)


def test_dice_loss_by_hand():
    logits = torch.tensor([[[20.0, -20.0], [0.0, -20.0]], [[-20.0] * 2] * 2])
    wanted = torch.tensor([[[1.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]])
    assert dice_loss(logits, wanted).tolist() == pytest.approx([1 - 2 / (1.25 + 1), 1])


def cut(masks):
    """Boxes and crops of masks ``(N, h, w)``."""
    boxes = bounding_boxes(masks)
    which = torch.arange(len(masks))[:, None]
    return boxes, roi_align(masks[:, None].float(), torch.cat([which, boxes], 1), 28)[:, 0]


def exact(masks):
    return torch.tensor([[((a & b).sum() / (a | b).sum()).item() for a in masks] for b in masks])


def naive(scores, ious):
    """Matrix NMS of all pairs, as in the paper."""
    lowered = scores.clone()
    for j in range(len(scores)):
        for i in range(j):
            compensate = max([ious[k, i].item() for k in range(i)], default=0.0)
            decay = np.exp(-2 * ious[i, j].item() ** 2) / np.exp(-2 * compensate**2)
            lowered[j] = min(lowered[j], scores[j] * decay)
    return lowered


def some_discs(count, shape, seed=0):
    random = np.random.default_rng(seed)
    y, x = np.indices(shape)
    places = random.uniform(0, shape, (count, 2)), random.uniform(6, 14, count)
    masks = [(y - a) ** 2 + (x - b) ** 2 < r**2 for (a, b), r in zip(*places, strict=True)]
    scores = torch.from_numpy(np.sort(random.random(count))[::-1].copy()).float()
    return torch.from_numpy(np.array(masks)), scores


def test_matrix_nms_follows_the_paper():
    random = np.random.default_rng(0)
    masks = torch.from_numpy(random.random((12, 9, 9)) < 0.5)
    scores = torch.from_numpy(np.sort(random.random(12))[::-1].copy()).float()
    ious = exact(masks)
    better = torch.arange(12).repeat(12, 1)
    torch.testing.assert_close(matrix_nms(scores, ious.tril(-1), better), naive(scores, ious))


def test_matrix_nms_of_overlapping_masks_only_is_the_same():
    masks, scores = some_discs(60, (120, 120))
    boxes, crops = cut(masks)
    better, may = better_neighbours(boxes, crops)
    assert 0 < may.sum() < 60 * 59 / 4
    lowered = matrix_nms(scores, pairwise_iou(boxes, crops, better, may), better)
    torch.testing.assert_close(lowered, naive(scores, exact(masks)), atol=0.04, rtol=0)


def test_overlaps_are_intersections_over_unions():
    masks, _ = some_discs(30, (60, 60), seed=1)
    boxes, crops = cut(torch.cat([masks, masks[:1]]))
    better, may = better_neighbours(boxes, crops)
    ious = pairwise_iou(boxes, crops, better, may)
    assert (ious[~may] == 0).all()
    wanted = exact(torch.cat([masks, masks[:1]])).gather(1, better)
    assert (ious - wanted)[may].abs().max() < 0.06
    assert (wanted[~may & (better < torch.arange(31)[:, None])] < 0.05).all()
    assert ious[30].max() == 1


def test_a_duplicate_mask_loses_its_score_and_others_keep_it():
    scores, better = torch.tensor([0.9, 0.8, 0.7]), torch.zeros(3, 1, dtype=torch.long)
    ious = torch.tensor([[0.0], [1.0], [0.0]])
    assert matrix_nms(scores, ious, better).tolist() == pytest.approx([0.9, 0.8 * np.exp(-2), 0.7])


def test_each_mask_is_compared_with_a_limited_number():
    """Each of many equal masks is compared with the largest number of better ones."""
    boxes, crops = torch.tensor([[0.0, 0, 8, 8]]).repeat(90, 1), torch.ones(90, 28, 28)
    better, may = better_neighbours(boxes, crops)
    assert better.shape == (90, MAX_NEIGHBOURS)
    assert may.sum(1).tolist() == [min(i, MAX_NEIGHBOURS) for i in range(90)]
    assert (better < torch.arange(90)[:, None])[may].all()


def test_no_tensor_of_detections_grows_faster_than_the_image(monkeypatch):
    """Only a crop of each candidate is stored."""
    monkeypatch.setattr(solo_inference, "MAX_ELEMENTS", 2**18)
    monkeypatch.setattr(solo_matrix_nms, "PAIRS", 256)
    grid = torch.cartesian_prod(torch.arange(4.0, 256, 8), torch.arange(4.0, 256, 8))
    places = torch.cat([grid, torch.full((1024, 1), 8.0)], 1)
    discs_of_cells = torch.tensor([0.0] * 6 + [-1.0, -1.0, 0.0, 1.0]).repeat(1024, 1)
    with Largest() as seen:
        found = detect(
            torch.full((1024, 1), 0.9), discs_of_cells, places, torch.zeros(4, 128, 128), 0.05
        )
    assert len(found["scores"]) == 1024
    assert seen.elements == 1024 * 28 * 28


class Largest(TorchDispatchMode):
    """Records the size of the largest tensor that is created."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **kwargs or {})
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor):
                held = tensor.untyped_storage().nbytes() // tensor.element_size()  # no views
                self.elements = max(self.elements, held)
        return result


def test_boxes_of_masks():
    masks = torch.zeros(2, 6, 8, dtype=torch.bool)
    masks[0, 1:4, 2:7] = True
    assert bounding_boxes(masks).tolist() == [[2, 1, 7, 4], [0, 0, 8, 6]]


def test_candidates_have_high_scores_and_their_limit_grows_with_the_area():
    cells, things, scores = candidates(torch.tensor([[0.3, 0.05], [0.0, 0.9], [0.1, 0.1]]), 1)
    assert (cells.tolist(), things.tolist()) == ([1, 0], [1, 0])
    assert scores.tolist() == pytest.approx([0.9, 0.3])
    many = torch.full((40000, 1), 0.5)
    assert len(candidates(many, 256 * 256)[0]) == 1024
    assert len(candidates(many, 512 * 512)[0]) == 4096


@pytest.mark.slow
def test_it_overfits_one_small_image():
    network = network_of()
    image, target = discs(30, (128, 128), radius=8)
    network.set_sizes((target["boxes"][:, 2:] - target["boxes"][:, :2]).flip(1).numpy())
    learn(network, image[None], [target], 80)
    (found,) = detections(network, image[None])
    assert f1(found, target["masks"].bool(), 0.3) > 0.95


def f1(found, truth, floor):
    """F1 at an intersection over union of 0.5."""
    good = found["scores"] >= floor
    pasted = torch.zeros(int(good.sum()), *truth.shape[1:], dtype=torch.bool)
    for mask, box, soft in zip(pasted, found["boxes"].int(), found["masks"], strict=False):
        x0, y0, x1, y1 = box.tolist()
        soft = torch.nn.functional.interpolate(
            soft[None, None], (y1 - y0, x1 - x0), mode="bilinear"
        )
        mask[y0:y1, x0:x1] = soft[0, 0] > 0.5
    both = torch.einsum("nyx,myx->nm", pasted.float(), truth.float())
    either = pasted.sum((1, 2))[:, None] + truth.sum((1, 2)) - both
    hits = (both / either > 0.5).any(0).sum().item()
    return 2 * hits / (len(pasted) + len(truth))
