"""Volumes of medical formats: as SimpleITK's, nibabel's and pynrrd's NIfTI files of the same."""

from importlib import resources

import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK
from nibabel import Nifti1Image
from npe2 import PluginManifest

from napari_segkit.io.filenames import VOLUMES
from napari_segkit.io.files import read_image, read_labels, write_labels
from napari_segkit.io.folders import pair_files
from napari_segkit.io.image_files import find_images
from napari_segkit.io.nifti.header import file_affine, layer_placement
from napari_segkit.io.nifti.layers import get_reader, read_nifti
from napari_segkit.io.writers import FileMetadata

ITK = (".nrrd", ".nhdr", ".mha", ".mhd")
SIZES, ORIGIN = (0.5, 0.7, 2.5), (10.0, -20.0, 30.5)
OBLIQUE = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]])
DIRECTIONS = {
    "straight": np.eye(3),
    "oblique": OBLIQUE,
    "sagittal": OBLIQUE[:, [2, 0, 1]],
    "mirrored": np.diag([-1, 1, -1]),
}


def numbers(shape=(5, 6, 7), dtype=np.int16):
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def itk_image(values, direction=OBLIQUE, vector=False):
    """Image of SimpleITK from values Z Y X."""
    image = SimpleITK.GetImageFromArray(values, isVector=vector)
    image.SetSpacing(SIZES[: image.GetDimension()])
    image.SetOrigin(ORIGIN[: image.GetDimension()])
    if image.GetDimension() == 3:
        image.SetDirection(np.ravel(direction).tolist())
    return image


def assert_same(path, other):
    """Both files give the same array in the same place."""
    image, expected = read_image(path), read_image(other)
    np.testing.assert_array_equal(image.data, expected.data)
    assert image.data.dtype == expected.data.dtype
    assert (image.axes, image.orientation) == (expected.axes, expected.orientation)
    np.testing.assert_allclose(image.spacing, expected.spacing, rtol=1e-5)
    first, second = (layer_placement(i.metadata["nifti"]) for i in (image, expected))
    np.testing.assert_allclose(first["affine"], second["affine"], atol=1e-4)
    assert first["units"] == second["units"]
    assert first["axis_labels"] == second["axis_labels"]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("ending", ITK)
def test_a_file_of_itk_is_placed_as_its_nifti_file(tmp_path, ending, direction):
    image = itk_image(numbers(), DIRECTIONS[direction])
    SimpleITK.WriteImage(image, tmp_path / f"a{ending}")
    SimpleITK.WriteImage(image, tmp_path / "a.nii.gz")
    assert_same(tmp_path / f"a{ending}", tmp_path / "a.nii.gz")


@pytest.mark.parametrize("ending", ITK)
@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
)
def test_values_and_types_are_kept(tmp_path, ending, dtype):
    high = min(np.iinfo(dtype).max, 2**40) if dtype[0] in "iu" else 0.1
    values = np.array([[[0, 1], [2, high]]] * 3, dtype)
    SimpleITK.WriteImage(itk_image(values), tmp_path / f"a{ending}", True)
    read = read_image(tmp_path / f"a{ending}").data
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, values)


@pytest.mark.parametrize("ending", ITK)
@pytest.mark.parametrize("compressed", [True, False])
def test_planes_are_two_dimensional(tmp_path, ending, compressed):
    image = itk_image(numbers((6, 7)))
    SimpleITK.WriteImage(image, tmp_path / f"a{ending}", compressed)
    read = read_image(tmp_path / f"a{ending}")
    assert read.axes == "YX"
    np.testing.assert_allclose(read.spacing, (1, 0.7, 0.5))
    np.testing.assert_array_equal(read.data, numbers((6, 7)))


@pytest.mark.parametrize("ending", ITK)
def test_components_are_channels(tmp_path, ending):
    values = numbers((5, 6, 7, 2), np.float32)
    SimpleITK.WriteImage(itk_image(values, vector=True), tmp_path / f"a{ending}")
    SimpleITK.WriteImage(itk_image(values, vector=True), tmp_path / "a.nii.gz")
    image = read_image(tmp_path / f"a{ending}")
    assert image.axes == "CZYX"
    np.testing.assert_array_equal(np.moveaxis(image.data, 0, -1), values)
    assert_same(tmp_path / f"a{ending}", tmp_path / "a.nii.gz")


@pytest.mark.parametrize("ending", ITK)
@pytest.mark.parametrize("shape", [(6, 7, 3), (5, 6, 7, 3)])
def test_three_components_of_8_bits_are_colours(tmp_path, ending, shape):
    values = numbers(shape, np.uint8)
    SimpleITK.WriteImage(itk_image(values, vector=True), tmp_path / f"a{ending}")
    image = read_image(tmp_path / f"a{ending}")
    assert image.axes == "ZYXC"[-len(shape) :]
    np.testing.assert_array_equal(image.data, values)


@pytest.mark.parametrize("ending", [".mha", ".mhd"])
def test_a_fourth_dimension_is_time(tmp_path, ending):
    series = SimpleITK.JoinSeries([itk_image(numbers() + i) for i in range(3)], 0.0, 4.0)
    SimpleITK.WriteImage(series, tmp_path / f"a{ending}")
    SimpleITK.WriteImage(series, tmp_path / "a.nii.gz")
    assert_same(tmp_path / f"a{ending}", tmp_path / "a.nii.gz")
    assert read_image(tmp_path / f"a{ending}").axes == "TZYX"


def space_header(space, sizes=SIZES, **more):
    return {"space": space, "space directions": np.diag(sizes), "space origin": ORIGIN} | more


@pytest.mark.parametrize(
    ("space", "orientation", "signs"),
    [
        ("right-anterior-superior", "SAR", (1, 1, 1)),
        ("RAS", "SAR", (1, 1, 1)),
        ("left-posterior-superior", "SPL", (-1, -1, 1)),
        ("left-anterior-superior", "SAL", (-1, 1, 1)),
    ],
)
def test_the_space_of_a_nrrd_file_is_respected(tmp_path, space, orientation, signs):
    voxels = numbers((7, 6, 5))
    nrrd.write(str(tmp_path / "a.nrrd"), voxels, space_header(space))
    image = read_image(tmp_path / "a.nrrd")
    assert image.orientation == orientation
    np.testing.assert_array_equal(image.data, voxels.T)
    truth = np.diag([*np.multiply(SIZES, signs), 1])
    truth[:3, 3] = np.multiply(ORIGIN, signs)
    np.testing.assert_allclose(file_affine(image.metadata["nifti"]), truth, atol=1e-6)


@pytest.mark.parametrize(
    "header",
    [{}, {"spacings": SIZES}, space_header("3D-right-handed"), space_header("scanner-xyz")],
)
def test_without_a_space_of_the_body_only_voxel_sizes_are_known(tmp_path, header):
    nrrd.write(str(tmp_path / "a.nrrd"), numbers((7, 6, 5)), dict(header))
    image = read_image(tmp_path / "a.nrrd")
    assert image.orientation == ""
    np.testing.assert_allclose(image.spacing, SIZES[::-1] if header else (1, 1, 1), rtol=1e-6)
    np.testing.assert_array_equal(image.data, numbers((7, 6, 5)).T)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("mm", "mm"),
        ("microns", "um"),
        ("um", "um"),
        ("nm", "um"),
        ("cm", "um"),
        ("meters", "m"),
        ("", "mm"),
    ],
)
@pytest.mark.parametrize("in_space", [True, False])
def test_the_unit_of_a_nrrd_file_is_read(tmp_path, unit, expected, in_space):
    known = space_header("RAS") | ({"space units": [unit] * 3} if unit else {})
    plain = {"spacings": SIZES} | ({"units": [unit] * 3} if unit else {})
    nrrd.write(str(tmp_path / "a.nrrd"), numbers((7, 6, 5)), known if in_space else plain)
    header = read_image(tmp_path / "a.nrrd").metadata["nifti"]
    assert layer_placement(header)["units"] == (expected,) * 3
    factor = {"nm": 1e-3, "cm": 1e4}.get(unit, 1)
    np.testing.assert_allclose(
        layer_placement(header)["scale"], np.multiply(SIZES[::-1], factor), rtol=1e-5
    )


def test_a_list_of_values_in_a_nrrd_file_is_channels(tmp_path):
    voxels = numbers((7, 6, 5, 4))
    kinds = {"kinds": ["domain", "domain", "domain", "list"]}
    nrrd.write(str(tmp_path / "a.nrrd"), voxels, {"spacings": [*SIZES, np.nan]} | kinds)
    image = read_image(tmp_path / "a.nrrd")
    assert image.axes == "CZYX"
    np.testing.assert_array_equal(image.data, voxels.transpose(3, 2, 1, 0))


def test_a_segmentation_of_slicer_is_labels(tmp_path):
    header = space_header("RAS") | {"Segment0_ID": "Segment_1", "Segment0_LabelValue": "1"}
    nrrd.write(str(tmp_path / "a.seg.nrrd"), numbers((7, 6, 5), np.uint8) % 3, header)
    assert read_nifti(tmp_path / "a.seg.nrrd")[2] == "labels"


AFFINE = np.diag([-1, 1, 1, 1]) @ nibabel.affines.from_matvec(OBLIQUE @ np.diag(SIZES), ORIGIN)


@pytest.mark.parametrize("ending", [".mgz", ".mgh"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
def test_a_file_of_freesurfer_is_placed_as_its_nifti_file(tmp_path, ending, dtype):
    voxels = numbers((7, 6, 5), dtype)
    nibabel.MGHImage(voxels, AFFINE).to_filename(tmp_path / f"a{ending}")
    nibabel.save(Nifti1Image(voxels, AFFINE), tmp_path / "a.nii.gz")
    assert_same(tmp_path / f"a{ending}", tmp_path / "a.nii.gz")


def test_the_frames_of_freesurfer_are_times_with_their_step(tmp_path):
    image = nibabel.MGHImage(numbers((7, 6, 5, 3)), AFFINE)
    image.header.set_zooms((*SIZES, 2000))
    image.to_filename(tmp_path / "a.mgz")
    header = read_image(tmp_path / "a.mgz").metadata["nifti"]
    placement = layer_placement(header)
    assert placement["units"] == ("ms", "mm", "mm", "mm")
    assert placement["scale"][0] == 2000


@pytest.mark.parametrize("ending", [".img", ".hdr", ".img.gz"])
@pytest.mark.parametrize("slope", [1, 0.5])
def test_a_pair_of_files_is_read_as_nifti(tmp_path, ending, slope):
    pair = nibabel.Nifti1Pair(numbers((7, 6, 5)) * slope, AFFINE, dtype=np.int16)
    pair.header.set_slope_inter(slope, 0)
    pair.header.set_xyzt_units("micron")
    nibabel.save(pair, tmp_path / f"a{ending}")
    image = read_image(tmp_path / f"a{ending}")
    stored = np.asarray(nibabel.load(tmp_path / f"a{ending}").dataobj)
    np.testing.assert_allclose(image.data, stored.T)
    np.testing.assert_allclose(file_affine(image.metadata["nifti"]), AFFINE, atol=1e-5)
    assert layer_placement(image.metadata["nifti"])["units"] == ("um",) * 3


@pytest.mark.parametrize("kind", ["AnalyzeImage", "Spm99AnalyzeImage", "Spm2AnalyzeImage"])
def test_analyze_has_voxel_sizes_and_an_orientation_only_from_spm(tmp_path, kind):
    affine = np.diag([-0.5, 0.7, 2.5, 1])
    image = getattr(nibabel, kind)(numbers((7, 6, 5)), affine)
    nibabel.save(image, tmp_path / "a.img")
    read = read_image(tmp_path / "a.img")
    np.testing.assert_array_equal(read.data, numbers((7, 6, 5)).T)
    np.testing.assert_allclose(read.spacing, (2.5, 0.7, 0.5), rtol=1e-6)
    assert read.orientation == ("SAL" if (tmp_path / "a.mat").exists() else "")


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.mhd", "a.mgz"])
def test_labels_are_reoriented_to_the_image_and_written_on_its_grid(tmp_path, name):
    labels = numbers((5, 6, 7), np.uint8)
    image = itk_image(labels, DIRECTIONS["mirrored"])
    if name == "a.mgz":
        SimpleITK.WriteImage(image, tmp_path / "b.nii.gz")
        nifti = nibabel.load(tmp_path / "b.nii.gz")
        nibabel.MGHImage(np.asarray(nifti.dataobj), nifti.affine).to_filename(tmp_path / name)
    else:
        SimpleITK.WriteImage(image, tmp_path / name)
    flipped = nibabel.as_closest_canonical(nibabel.load(_as_nifti(image, tmp_path)))
    nibabel.save(flipped, tmp_path / "labels.nii.gz")
    read = read_image(tmp_path / name)
    aligned = read_labels(tmp_path / "labels.nii.gz", orientation=read.orientation)
    np.testing.assert_array_equal(aligned, read.data)
    written = tmp_path / "out.nii.gz"
    write_labels(written, aligned, FileMetadata(read.axes, header=read.metadata["nifti"]))
    np.testing.assert_allclose(
        nibabel.load(written).affine, file_affine(read.metadata["nifti"]), atol=1e-4
    )
    assert_same(written, tmp_path / name)


def _as_nifti(image, folder):
    SimpleITK.WriteImage(image, folder / "c.nii.gz")
    return folder / "c.nii.gz"


def test_napari_offers_this_reader_for_every_volume():
    manifest = PluginManifest.from_file(resources.files("napari_segkit") / "napari.yaml")
    patterns = manifest.contributions.readers[0].filename_patterns
    assert sorted(patterns) == sorted(f"*{ending}" for ending in VOLUMES)


@pytest.mark.parametrize("ending", ITK)
def test_napari_shows_a_volume_in_its_place(tmp_path, ending):
    SimpleITK.WriteImage(itk_image(numbers(), np.eye(3)), tmp_path / f"a{ending}")
    path = str(tmp_path / f"a{ending}")
    ((data, meta, kind),) = get_reader(path)(path)
    np.testing.assert_array_equal(data, numbers())
    place = meta["affine"] @ (*np.multiply((1, 2, 3), meta["scale"]), 1)
    x, y, z = np.add(ORIGIN, np.multiply((3, 2, 1), SIZES))
    np.testing.assert_allclose(place[:3], (z, -y, -x), atol=1e-5)
    assert (meta["name"], kind) == ("a", "image")


def test_files_of_voxels_beside_a_header_are_one_image(tmp_path):
    SimpleITK.WriteImage(itk_image(numbers()), tmp_path / "a.mhd")
    SimpleITK.WriteImage(itk_image(numbers()), tmp_path / "b.nhdr")
    SimpleITK.WriteImage(itk_image(numbers()), tmp_path / "c.mhd", True)
    nibabel.save(nibabel.Nifti1Pair(numbers(), AFFINE), tmp_path / "d.img")
    nibabel.save(nibabel.Nifti1Pair(numbers(), AFFINE), tmp_path / "e.img.gz")
    names = [p.name for p in find_images(tmp_path)]
    assert names == ["a.mhd", "b.nhdr", "c.mhd", "d.hdr", "e.hdr.gz"]
    assert len(pair_files(tmp_path, _labels_of(names, tmp_path))) == 5


def _labels_of(names, folder):
    (folder.parent / "labels").mkdir(exist_ok=True)
    for name in names:
        SimpleITK.WriteImage(itk_image(numbers()), folder.parent / "labels" / f"{name[0]}.nii.gz")
    return folder.parent / "labels"


@pytest.mark.parametrize("ending", [*ITK, ".mgz", ".mgh", ".hdr", ".img", ".dcm", ".img.gz"])
@pytest.mark.parametrize("read", [read_image, read_labels])
def test_files_of_nonsense_are_refused_in_one_sentence(tmp_path, capfd, ending, read):
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"nonsense" * 200)
    with pytest.raises(ValueError, match=r"a[.\w]+ cannot be read: ") as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("ending", [".nrrd", ".mha", ".mgz", ".mgh", ".nii", ".nii.gz"])
def test_files_cut_short_are_refused_in_one_sentence(tmp_path, capfd, ending, compressed):
    path = tmp_path / f"a{ending}"
    image = itk_image(numbers((20, 30, 40)))
    if ending in ITK:
        SimpleITK.WriteImage(image, path, compressed)
    else:
        nibabel.save(nibabel.load(_as_nifti(image, tmp_path)), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"a[.\w]+ cannot be read: ") as caught:
        np.asarray(read_image(path).data)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
