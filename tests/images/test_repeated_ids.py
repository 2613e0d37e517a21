import numpy as np
import pytest
from imageio.v3 import imread
from skimage.measure import label
from skimage.morphology import disk

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.label_stats import label_stats
from napari_segkit.images.repeated_ids import ids_start_anew
from napari_segkit.instances.instance_stats import instance_stats

REMEDIES = ("labels_are='objects'", "labels_are='classes'", "objects='distance'")
SPOT = disk(3).astype(bool)


def spots(values, seed, shape=(96, 96)):
    """A plane with a spot of each value, apart from each other, in an order by chance."""
    rng, plane = np.random.default_rng(seed), np.zeros(shape, np.uint16)
    cells = rng.permutation((shape[0] // 8) * (shape[1] // 8))[: len(values)]
    for value, cell in zip(values, cells, strict=True):
        y, x = 8 * (cell // (shape[1] // 8)), 8 * (cell % (shape[1] // 8))
        plane[y : y + 7, x : x + 7][SPOT] = value
    return plane


def numbered(counts):
    return [spots(range(1, n + 1), seed) for seed, n in enumerate(counts)]


def test_a_stack_of_masks_numbered_slice_by_slice_is_asked_about():
    stack = np.stack(numbered([60, 77, 52, 66]))
    stats = label_stats(stack)
    assert "77 values" in stats.problem
    assert stats.remedies == REMEDIES
    assert label_stats(stack, labels_are="objects").counts == {1: int((stack > 0).sum())}
    assert label_stats(stack, unlabelled=None).remedies == REMEDIES


def test_few_objects_in_each_slice_are_asked_about_too():
    assert label_stats(np.stack(numbered([3, 7, 5, 6]))).remedies == REMEDIES


@pytest.mark.parametrize("classes", [2, 6, 12])
def test_classes_that_every_slice_repeats_are_no_question(classes):
    stack = np.stack([spots(range(1, classes + 1), seed) for seed in range(6)])
    assert label_stats(stack).problem is None


def test_classes_of_which_some_slices_lack_some_are_no_question():
    rng = np.random.default_rng(0)
    stack = np.stack([spots(rng.permutation(12)[:8] + 1, seed) for seed in range(6)])
    assert label_stats(stack).problem is None


def test_regions_that_go_on_from_slice_to_slice_are_no_question():
    slab = np.repeat(spots([*range(1, 6)], 0)[None], 5, axis=0)
    assert label_stats(slab).problem is None


def test_a_model_of_volumes_says_that_ids_start_anew():
    stack = np.stack(numbered([30, 37, 32]))
    image = AxesImage(np.zeros(stack.shape, np.uint8), "ZYX")
    (note,) = instance_stats(stack, image=image, ndim=3).notes
    assert "started anew in each slice" in note
    assert instance_stats(stack, image=image, ndim=2).notes == ()
    volume = label(np.repeat(stack[:1] > 0, 3, axis=0))
    assert instance_stats(volume, image=image, ndim=3).notes == ()


def numbered_anew(volume):
    """The ids of each slice from 1, in the order of those of the volume."""
    return np.stack(
        [np.unique(plane, return_inverse=True)[1].reshape(plane.shape) for plane in volume]
    )


@pytest.mark.parametrize(
    "path", ["nuclei3d_ovule/masks/ovule_1135.tif", "stardist_wheel/mask3d.tif"]
)
def test_real_objects_numbered_slice_by_slice_are_asked_about(real_data, path):
    tifffile = pytest.importorskip("tifffile")
    volume = tifffile.imread(real_data / path).squeeze()[10:40].astype(np.uint16)
    assert not ids_start_anew(volume)
    assert label_stats(numbered_anew(volume)).remedies == REMEDIES


@pytest.mark.parametrize(
    "path", ["mri_spinal_sct/masks_gm_wm/t2s.nii.gz", "mri_mni152/masks/t1.nii.gz"]
)
def test_real_classes_of_volumes_are_no_question(real_data, path):
    nibabel = pytest.importorskip("nibabel")
    mask = np.asarray(nibabel.load(real_data / path).dataobj)
    values = np.moveaxis(np.rint(mask).astype(np.uint8), 2, 0)[:40]
    assert label_stats(values).problem is None


def test_photographs_with_many_classes_are_no_question(real_data):
    files = sorted((real_data / "coco_stuff" / "masks").glob("*.png"))
    crops = np.stack([imread(file)[:300, :300] for file in files])
    assert label_stats(crops, unlabelled=255).problem is None
