"""What is measured of images and labels, on pictures that are drawn."""

import dask.array as da
import numpy as np
import pytest
from scipy import ndimage

from napari_segkit import TrainingRow, TrainingSet, suggest, suggestions
from napari_segkit.images.labels import LabelsError
from napari_segkit.steps import drain
from napari_segkit.suggestion.measure import MAX_IMAGES, MAX_LOOKS, measure

Y, X = np.indices((96, 120))


def picture(seed=0):
    """Bright discs on noise, their ids and their mask; two of them touch."""
    ids = np.zeros(Y.shape, np.int32)
    centres = [(20, 20), (20, 60), (20, 100), (60, 20), (60, 60), (60, 75), (80, 106)]
    for number, (y, x) in enumerate(centres, 1):
        ids[(Y - y) ** 2 + (X - x) ** 2 < 64] = number
    noise = np.random.default_rng(seed).normal(100, 8, Y.shape)
    return (noise + 80 * (ids > 0)).astype(np.float32), ids


IMAGE, IDS = picture()
MASK = (IDS > 0).astype(np.uint8)


def strokes():
    """Strokes of two classes inside them."""
    labels = np.zeros(Y.shape, np.uint8)
    inner = ndimage.binary_erosion(IDS > 0, iterations=3)
    labels[inner & (Y % 20 < 3)] = 2
    labels[40:43, 5:110] = 1
    return labels


def facts_of(*rows, axes=None, spacing=None):
    return drain(measure([TrainingRow(*row) for row in rows], axes=axes, spacing=spacing))


def test_ids_are_counted_and_measured():
    found = facts_of((IMAGE, IDS)).objects
    assert found.count == 7
    areas = np.bincount(IDS.ravel())[1:]
    assert found.diameter == pytest.approx(np.median(2 * np.sqrt(areas / np.pi)))
    assert found.touching == pytest.approx(2 / 7)
    assert found.cover == pytest.approx((IDS > 0).mean())


def test_masks_end_at_edges_and_strokes_do_not():
    assert facts_of((IMAGE, MASK)).edge_contrast > 2
    assert facts_of((IMAGE, strokes())).edge_contrast < 1.25
    assert suggest(IMAGE, strokes()).config.unlabelled == 0
    assert suggest(IMAGE, MASK).config.unlabelled is None


def test_cells_that_fill_the_image_and_are_cut_into_pieces():
    rng = np.random.default_rng(0)
    seeds = np.zeros((90, 90), bool)
    seeds[tuple(rng.integers(0, 90, (2, 60)))] = True
    nearest = ndimage.distance_transform_edt(~seeds, return_indices=True)[1]
    cells = np.cumsum(seeds).reshape(seeds.shape)[tuple(nearest)]
    for cell in range(1, cells.max(), 2):  # crumbs elsewhere
        y, x = rng.integers(0, 90, 2)
        cells[y, x] = cell
    suggested = suggest(cells.astype(np.float32), cells)
    assert suggested.spec.objects == "boundary"


def test_reasons_tell_true_numbers():
    labels = strokes()
    part = 100 * (labels > 0).mean()
    assert f"{part:.1f} %" in str(suggest(IMAGE, labels))


@pytest.mark.parametrize("dims", ["TYX", "ZYX"])
def test_stacks_and_movies(dims):
    images, labels = np.stack([IMAGE] * 5), np.stack([MASK] * 5)
    suggested = suggest(images, labels, axes=dims, spacing=(4, 1, 1))
    assert suggested.facts.is_volume == (dims == "ZYX")
    assert suggested.facts.anisotropy == (4 if dims == "ZYX" else 1)
    assert ("dims" in {r.setting for r in suggested.reasons}) == (dims == "ZYX")


def test_colours_with_alpha():
    colours = np.stack([IMAGE] * 4, axis=-1).clip(0, 255).astype(np.uint8)
    colours[..., 3] = 255
    found = facts_of((colours, MASK))
    assert (found.channels, found.is_rgb) == (3, False) or found.channels == 3


def test_huge_lazy_arrays_are_read_in_part():
    shape = (40_000, 50_000)
    read = []

    def block(block_info=None):
        place = block_info[None]
        read.append(place["chunk-location"])
        return np.zeros(place["chunk-shape"], np.uint8)

    labels = da.map_blocks(block, chunks=((1000,) * 40, (1000,) * 50), dtype=np.uint8)
    image = da.zeros(shape, chunks=1000, dtype=np.uint16)
    suggested = suggest(image, labels)
    assert len(read) <= 4 * MAX_LOOKS + 10
    assert suggested.facts.is_partial
    assert "only parts were read" in str(suggested)
    assert suggested.spec.name == "pixels"


def test_many_images_are_sampled():
    rows = [TrainingRow(IMAGE, MASK)] * 40
    suggested = suggest(TrainingSet(rows))
    assert f"Read: {MAX_IMAGES} of 40 images." in str(suggested)


def test_images_without_labels():
    assert suggest(IMAGE).spec.name == "pixels"
    assert suggest(IMAGE, np.zeros_like(MASK)).spec.name == "pixels"
    rows = TrainingSet([TrainingRow(IMAGE, None)])
    with pytest.raises(ValueError, match="no labels"):
        suggest(rows)


def test_no_images_are_said():
    with pytest.raises(ValueError, match="0 images"):
        suggest([])


def test_where_the_image_shows_no_edges_no_number_is_told():
    said = str(suggest(np.full_like(IMAGE, 7), MASK))
    assert "shows nothing at their edges" in said
    assert "times as much" not in said


def test_few_objects_are_objects_if_a_person_says_so():
    one = (IDS == 1).astype(np.uint8)
    assert suggest(IMAGE, one).spec.objects is None
    suggested = suggest(IMAGE, one, given={"labels_are": "objects"})
    assert suggested.spec.objects == "distance"
    assert suggested.facts.objects.count == 1


def test_ids_of_any_size_take_little_memory():
    ids = IDS.astype(np.int64) * 10**12
    assert facts_of((IMAGE, ids)).objects.diameter == facts_of((IMAGE, IDS)).objects.diameter


def test_it_can_be_stopped_within_a_large_image():
    shape = (6000, 6000)
    labels = da.zeros(shape, chunks=1000, dtype=np.uint8)
    steps = suggestions(da.zeros(shape, chunks=1000, dtype=np.uint16), labels)
    assert [(step.done, step.total) for step in steps] == [(0, 1)] * 143 + [(1, 1)]


def test_nothing_is_changed_and_it_can_be_stopped():
    image, labels = IMAGE.copy(), MASK.copy()
    steps = suggestions([image, image], [labels, labels])
    step = next(steps)
    steps.close()
    assert (step.done, step.total) == (1, 2)
    np.testing.assert_array_equal(image, IMAGE)
    np.testing.assert_array_equal(labels, MASK)


def test_what_cannot_be_used_is_said(require_said):
    with pytest.raises(ValueError, match="colour") as error:
        suggest(IMAGE, MASK, given={"colour": 1})
    require_said(error.value)
    with pytest.raises(LabelsError):
        suggest(IMAGE, MASK - np.int8(2))
    with pytest.raises(ValueError, match="minutes"):
        suggest(IMAGE, MASK, minutes=-1)
    with pytest.raises(ValueError, match="device"):
        suggest(IMAGE, MASK, device="gpu")
