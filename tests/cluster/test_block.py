"""A block that is predicted from its own pixels has the pixels of the whole prediction."""

import pickle
from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
import torch
import zarr
from skimage.data import coins

from napari_segkit import CleanConfig, ModelSpec, PredictConfig, RefineConfig, TileConfig
from napari_segkit.cluster.block import block_of, predict_block
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.inference.request import PredictRequest
from napari_segkit.inference.semantic import predict_tiles
from napari_segkit.io.files import read_image
from napari_segkit.models import resolve
from napari_segkit.steps import drain

CPU = torch.device("cpu")
SPEC = ModelSpec("segresnet", dims="2D", neighbour_slices=1)


def request_of(model, image, config=None, **options):
    return PredictRequest(model, image, TileConfig(), config=config or PredictConfig(), **options)


def predicted_blocks(request, cells_of):
    """All cells, each block predicted from what is left of it after a journey."""
    plan, found = request.plan, []
    for frame in plan.frames():
        for cells in cells_of(plan.cells_of(frame)):
            block = block_of(plan, frame, cells, probabilities=request.probabilities)
            travelled = pickle.loads(pickle.dumps(block))
            found += [(frame, cell) for cell in predict_block(travelled, request.model, CPU)]
    return found


def in_threes(cells):
    return [cells[i : i + 3] for i in range(0, len(cells), 3)]


def require_same(request, blocks):
    whole, image = drain(predict_tiles(request)), request.image
    for frame, each in blocks:
        index = image.array_index(frame, each.cell.region, image.label_axes)
        np.testing.assert_array_equal(each.labels, whole.labels[index])
        np.testing.assert_array_equal(each.probabilities, whole.probabilities[:, *index])
    assert sum(each.labels.size for _, each in blocks) == whole.labels.size


@pytest.mark.parametrize("kind", ["numpy", "dask", "zarr", "file"])
def test_a_block_of_any_source_is_that_of_the_whole(make, kind, tmp_path):
    pixels = coins()[:100, :170]
    sources = {
        "numpy": lambda: pixels,
        "dask": lambda: da.from_array(pixels, chunks=64),
        "zarr": lambda: zarr.create_array(tmp_path / "a.zarr", data=pixels, chunks=(64, 64)),
    }
    if kind == "file":
        import tifffile

        tifffile.imwrite(tmp_path / "a.tif", pixels)
        image = read_image(tmp_path / "a.tif")
    else:
        image = AxesImage(sources[kind](), "YX")
    request = request_of(make(1), image, probabilities=True)
    require_same(request, predicted_blocks(request, in_threes))


def test_a_block_of_a_stack_has_its_frame_its_channels_and_missing_pixels(make):
    stack = np.stack([coins()[:150, :160], coins()[-150:, -160:]]).astype(np.float32)
    stack = np.stack([stack, stack[::-1]], axis=1)  # Z C Y X
    stack[1, :, 20:60, 90:] = np.nan
    request = request_of(make(2), AxesImage(stack, "ZCYX"), probabilities=True)
    with pytest.warns(UserWarning, match="NaN"):
        require_same(request, predicted_blocks(request, in_threes))


def test_passes_flips_and_uncertainty_are_those_of_the_whole(make):
    image = AxesImage(coins()[:110, :100], "YX")
    config = PredictConfig(flips=True, uncertainty="entropy")
    request = request_of(make(1), image, config, probabilities=True)
    whole = drain(predict_tiles(request))
    for _, each in predicted_blocks(request, in_threes):
        np.testing.assert_array_equal(each.uncertainty, whole.uncertainty[each.cell.region])


@pytest.mark.parametrize(
    "refine",
    [
        RefineConfig(method="mrf"),
        RefineConfig(clean=(CleanConfig(4, fill_holes=30.0, min_size=20.0),)),
    ],
)
def test_a_refined_frame_travels_as_a_whole(make, refine):
    request = request_of(
        make(1, refine=refine), AxesImage(coins()[:120, :130], "YX"), probabilities=True
    )
    require_same(request, predicted_blocks(request, lambda cells: [[cell] for cell in cells]))


def test_a_resampled_frame_travels_with_both_of_its_images(make):
    from napari_segkit import TrainConfig

    model = make(1, config=TrainConfig(voxel_size=0.5))
    image = AxesImage(coins()[:120, :130], "YX", (1.0, 0.8, 0.8))
    request = request_of(model, image, probabilities=True)
    require_same(request, predicted_blocks(request, lambda cells: [[cell] for cell in cells]))


def test_only_the_pixels_of_the_block_travel(make):
    plan = request_of(make(1), AxesImage(np.tile(coins(), (9, 9)), "YX")).plan
    block = block_of(plan, {}, [plan.cells[100]], probabilities=False)
    assert len(pickle.dumps(block)) < 40_000  # four tiles of 96 pixels
    with pytest.raises(IndexError):
        block.image.read({}, (slice(0, 10), slice(0, 10)))


def test_a_block_holds_the_slices_beside_its_own(make):
    pixels = np.stack([coins()[z : z + 40, :70] for z in range(4)])
    model = replace(make(3), channels=1, axes="ZYX", spec=resolve(SPEC))
    request = request_of(model, AxesImage(pixels, "ZYX"), probabilities=True)
    require_same(request, predicted_blocks(request, in_threes))
    plan = request.plan
    for z, held in ((0, 2), (2, 3), (3, 2)):
        block = block_of(plan, {"Z": z}, plan.cells, probabilities=False)
        assert block.image.data.pixels.shape[0] == held
