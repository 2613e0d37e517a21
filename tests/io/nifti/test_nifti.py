"""NIfTI files read and written, compared with nibabel."""

import gzip

import nibabel as nib
import numpy as np
import pytest
from nibabel.nifti1 import Nifti1Extension

from napari_segkit.images.placement import data_to_world, options_to_world
from napari_segkit.io.files import (
    file_orientation,
    read_image,
    read_labels,
    write_labels,
    write_probabilities,
)
from napari_segkit.io.nifti.layers import (
    get_reader,
    read_nifti,
    write_image_layer,
    write_labels_layer,
)
from napari_segkit.io.writers import FileMetadata

SHAPE = (5, 6, 7)
ENDINGS = pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
ANGLE = 0.2
TILT = np.array([[1, 0, 0], [0, np.cos(ANGLE), -np.sin(ANGLE)], [0, np.sin(ANGLE), np.cos(ANGLE)]])


def affine(linear=TILT, sizes=(0.5, 1, 2.5), origin=(10, -20, 30.5)):
    return nib.affines.from_matvec(linear @ np.diag(sizes), origin)


AFFINES = {
    "plain": affine(np.eye(3)),
    "oblique": affine(),
    "mirrored": affine(TILT @ np.diag([-1, 1, -1])),
    "sagittal": affine(np.eye(3)[[2, 0, 1]] @ np.diag([-1, 1, 1])),
    "coronal": affine(TILT @ np.eye(3)[[0, 2, 1]]),
}


def numbers(shape=SHAPE, dtype=np.int16):
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def save(path, data=None, matrix=AFFINES["oblique"], **fields):
    """Write a file with nibabel, with these header fields."""
    image = nib.Nifti1Image(numbers() if data is None else data, matrix)
    for name, value in fields.items():
        getattr(image.header, name)(*value) if name.startswith(
            "set_"
        ) else image.header.__setitem__(name, value)
    nib.save(image, path)
    return path


def rewrite(path, target, change=lambda data: data, **meta):
    """Read a file as a layer and write the layer to another file."""
    data, options, kind = read_nifti(path)
    write = {"image": write_image_layer, "labels": write_labels_layer}[kind]
    assert write(str(target), change(data), options | meta) == [str(target)]
    return nib.load(target)


FOLLOWING = {"datatype", "bitpix", "scl_slope", "scl_inter", "cal_min", "cal_max", "vox_offset"}


def assert_same_header(one, other, but=()):
    for name in set(one.header.keys()) - FOLLOWING - set(but):
        np.testing.assert_array_equal(one.header[name], other.header[name], name)
    contents = [
        [(e.get_code(), e.get_content()) for e in i.header.extensions] for i in (one, other)
    ]
    assert contents[0] == contents[1]


def assert_placed_as_in_file(path):
    """Check that the layer keeps where nibabel places every voxel, and is shown straight."""
    image = nib.load(path)
    data, meta, _ = read_nifti(path)
    matrix = options_to_world(meta, 3)
    shown = data_to_world(meta, 3)[:3, :3]
    np.testing.assert_array_equal(shown, np.diag(shown.diagonal()))
    np.testing.assert_allclose(abs(shown.diagonal()), np.linalg.norm(matrix[:3, :3], axis=0), 1e-5)
    for voxel in np.ndindex(*(2, 3, 2)):
        world = nib.affines.apply_affine(image.affine, voxel)[::-1]
        index = np.rint(np.linalg.solve(matrix, [*world, 1])[:-1]).astype(int)
        np.testing.assert_allclose(matrix @ [*index, 1], [*world, 1], atol=1e-4)
        assert data[tuple(index)] == image.dataobj[voxel]


@ENDINGS
@pytest.mark.parametrize("name", AFFINES)
def test_voxels_are_placed_as_in_the_file(tmp_path, name, ending):
    path = save(tmp_path / f"a{ending}", matrix=AFFINES[name])
    assert_placed_as_in_file(path)
    _, meta, kind = read_nifti(path)
    assert (kind, meta["name"], meta["axis_labels"]) == ("image", "a", ("Z", "Y", "X"))
    assert sorted(meta["scale"]) == [0.5, 1, 2.5]


@pytest.mark.parametrize(
    ("name", "orientation", "spacing"),
    [
        ("plain", "SAR", (2.5, 1, 0.5)),
        ("oblique", "SAR", (2.5, 1, 0.5)),
        ("mirrored", "IAL", (2.5, 1, 0.5)),
        ("sagittal", "SPR", (1, 0.5, 2.5)),
        ("coronal", "SAR", (1, 2.5, 0.5)),
    ],
)
def test_orientation_is_that_of_z_y_x(tmp_path, name, orientation, spacing):
    image = read_image(save(tmp_path / "a.nii", matrix=AFFINES[name]))
    directions = nib.aff2axcodes(AFFINES[name])
    assert set(orientation) == set(directions)
    assert (image.orientation, image.spacing, image.axes) == (orientation, spacing, "ZYX")


@pytest.mark.parametrize("name", ["plain", "sagittal"])
def test_a_straight_volume_is_shown_in_the_world(tmp_path, name):
    meta = read_nifti(save(tmp_path / "a.nii", matrix=AFFINES[name]))[1]
    np.testing.assert_array_equal(options_to_world(meta, 3), data_to_world(meta, 3))
    assert not meta["metadata"]["nifti"].is_oblique


def test_an_oblique_part_of_a_volume_is_shown_in_its_place(tmp_path):
    whole = nib.Nifti1Image(numbers(), AFFINES["mirrored"])
    nib.save(whole, tmp_path / "whole.nii")
    nib.save(whole.slicer[1:4, 2:, 3:6], tmp_path / "part.nii")
    whole, part = (
        data_to_world(read_nifti(tmp_path / f"{n}.nii")[1], 3) for n in ("whole", "part")
    )
    np.testing.assert_allclose(part @ [0, 0, 0, 1], whole @ [3, 2, 1, 1], atol=1e-5)


def test_an_oblique_series_is_shown_along_its_grid(tmp_path):
    path = save(tmp_path / "a.nii", numbers((*SHAPE, 3)), set_xyzt_units=("mm", "sec"), toffset=7)
    meta = read_nifti(path)[1]
    shown, world = data_to_world(meta, 4), options_to_world(meta, 4)
    np.testing.assert_allclose(shown[:4, :4], np.diag(meta["scale"]), rtol=1e-6, atol=0)
    order = np.ix_([2, 1, 0, 3], [2, 1, 0, 3])
    np.testing.assert_allclose(world[1:, 1:], nib.load(path).affine[order], atol=1e-5)
    assert shown[0, -1] == world[0, -1] == 7


def test_a_large_file_is_read_from_disk_as_needed(tmp_path):
    assert isinstance(read_nifti(save(tmp_path / "a.nii"))[0].base, np.memmap)


def test_every_header_field_is_written_back(tmp_path):
    path = save(
        tmp_path / "a.nii.gz",
        numbers((*SHAPE, 3)),
        set_xyzt_units=("mm", "sec"),
        set_qform=(AFFINES["mirrored"], 1),
        set_sform=(AFFINES["oblique"], 4),
        descrip=b"TE=5.8;Time=161353.260;phase=1",
        aux_file=b"none",
        set_dim_info=(1, 0, 2),
        toffset=3.5,
        slice_duration=0.1,
        intent_p1=2.0,
    )
    image = nib.load(path)
    image.header["pixdim"][4] = 2.2
    for code, text in ((6, b"a comment"), (4, b"<xml/>"), (44, b"\x01\x02 binary")):
        image.header.extensions.append(Nifti1Extension(code, text))
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj).copy(), None, image.header), path)
    image = nib.load(path)
    for target in ("b.nii", "b.nii.gz"):
        written = rewrite(path, tmp_path / target)
        assert_same_header(nib.load(path), written)
        np.testing.assert_array_equal(written.dataobj, image.dataobj)


@pytest.mark.parametrize("name", AFFINES)
@pytest.mark.parametrize("codes", [(1, 0), (0, 2), (3, 1), (1, 4)])
def test_affines_and_their_codes_are_written_back(tmp_path, name, codes):
    sform, qform = codes
    path = tmp_path / "a.nii"
    image = nib.Nifti1Image(numbers(), None)
    image.header.set_zooms((0.5, 1, 2.5))
    image.set_sform(AFFINES[name] if sform else None, sform)
    image.set_qform(AFFINES["plain" if sform else name], qform)
    nib.save(image, path)
    assert_placed_as_in_file(path)
    assert_same_header(nib.load(path), rewrite(path, tmp_path / "b.nii"))


def test_a_file_without_affines_has_voxel_sizes_and_no_orientation(tmp_path):
    image = nib.Nifti1Image(numbers(), None)
    image.header.set_zooms((0.5, 1, 2.5))
    nib.save(image, tmp_path / "a.nii")
    found = read_image(tmp_path / "a.nii")
    assert (found.orientation, found.spacing) == ("", (2.5, 1, 0.5))
    _, meta, _ = read_nifti(tmp_path / "a.nii")
    np.testing.assert_array_equal(meta["affine"], np.eye(4))
    written = rewrite(tmp_path / "a.nii", tmp_path / "b.nii")
    assert_same_header(nib.load(tmp_path / "a.nii"), written)


def test_an_affine_that_cannot_be_inverted_is_ignored(tmp_path):
    save(tmp_path / "a.nii", set_sform=(np.diag([0, 1, 1, 1]), 1), set_qform=(np.eye(4), 1))
    assert read_image(tmp_path / "a.nii").orientation == "SAR"


@pytest.mark.parametrize("rest", [0, 1e-17, 1e-9])
def test_an_affine_with_axes_nearly_in_one_plane_is_ignored(tmp_path, rest):
    flat = np.eye(4)
    flat[:2, :2] = [[1, 1], [0, rest]]
    written = nib.Nifti1Image(numbers(), None)
    written.set_sform(flat, 1)
    nib.save(written, tmp_path / "a.nii")
    image = read_image(tmp_path / "a.nii")
    assert (image.orientation, image.spacing) == ("", (1, 1, 1))
    assert file_orientation(tmp_path / "a.nii") == ""


def test_tiny_and_huge_voxels_are_placed(tmp_path):
    matrix = affine(sizes=(1e-6, 1e-9, 1e6))
    save(tmp_path / "a.nii", matrix=matrix)
    assert read_image(tmp_path / "a.nii").orientation == "SAR"


@ENDINGS
def test_a_header_with_a_shape_larger_than_memory_is_refused(tmp_path, ending):
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float64)
    header.set_data_shape((32767,) * 3)
    header["magic"], header["vox_offset"] = b"n+1", 352
    content = header.binaryblock + bytes(100)
    path = tmp_path / f"a{ending}"
    path.write_bytes(gzip.compress(content) if ending == ".nii.gz" else content)
    with pytest.raises(ValueError, match=r"cannot be read: \w+ .+\.$"):
        read_image(path)


@ENDINGS
def test_a_truncated_header_is_refused(tmp_path, ending):
    path = save(tmp_path / f"a{ending}")
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match=r"a\.nii.* cannot be read: "):
        file_orientation(path)


def test_voxels_are_scaled_by_slope_and_intercept(tmp_path):
    image = nib.Nifti1Image(numbers(), AFFINES["oblique"])
    image.header.set_slope_inter(0.25, -3)
    image.header["cal_max"] = 40
    with (tmp_path / "a.nii").open("wb") as file:
        header = image.header
        header["vox_offset"] = 352
        header.write_to(file)
        file.write(numbers().tobytes("F"))
    data, meta, _ = read_nifti(tmp_path / "a.nii")
    assert data.dtype == np.float32
    np.testing.assert_array_equal(data, numbers().T * np.float32(0.25) - 3)
    assert meta["contrast_limits"] == (0, 40)
    written = rewrite(tmp_path / "a.nii", tmp_path / "b.nii", contrast_limits=(1.0, 20.0))
    assert written.get_data_dtype() == np.float32
    assert written.dataobj.slope == 1
    assert written.dataobj.inter == 0
    assert (written.header["cal_min"], written.header["cal_max"]) == (1, 20)
    np.testing.assert_array_equal(written.dataobj, data.T)


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [
        (np.uint8, np.uint8),
        (np.int16, np.int16),
        (">i2", np.int16),
        (np.uint16, np.uint16),
        (np.int64, np.uint8),
        (bool, np.uint8),
        (np.float16, np.float32),
        (np.float32, np.float32),
        (np.float64, np.float64),
    ],
)
def test_the_dtype_follows_the_data(tmp_path, dtype, stored):
    path = save(tmp_path / "a.nii")
    data = numbers(SHAPE[::-1]).astype(dtype)
    written = rewrite(path, tmp_path / "b.nii", lambda _: data)
    assert written.get_data_dtype() == stored
    assert (written.dataobj.slope, written.dataobj.inter) == (1, 0)
    np.testing.assert_array_equal(written.dataobj, data.T.astype(stored))
    assert (written.header["cal_min"], written.header["cal_max"]) == (data.min(), data.max())


@pytest.mark.parametrize(
    ("shape", "unit", "step", "intent", "axes"),
    [
        ((*SHAPE, 3), "sec", 2.0, 0, "TZYX"),
        ((*SHAPE, 3), "msec", 30, 0, "TZYX"),
        ((*SHAPE, 3), "sec", 0, 0, "CZYX"),
        ((*SHAPE, 3), "unknown", 1.0, 0, "CZYX"),
        ((*SHAPE, 3), "unknown", 1.0, 2001, "TZYX"),
        ((*SHAPE, 3), "hz", 10, 0, "CZYX"),
        ((*SHAPE, 3), "sec", 1.0, 1007, "CZYX"),
        ((*SHAPE, 1, 3), "sec", 1.0, 1007, "CZYX"),
        ((*SHAPE, 2, 3), "sec", 1.0, 0, "TCZYX"),
        ((*SHAPE, 1), "sec", 1.0, 0, "ZYX"),
        ((5, 6, 1), "sec", 1.0, 0, "ZYX"),
        ((5, 6), "sec", 1.0, 0, "YX"),
    ],
)
def test_dimensions_after_the_third(tmp_path, shape, unit, step, intent, axes):
    path = tmp_path / "a.nii"
    save(path, numbers(shape), set_xyzt_units=("micron", unit), intent_code=intent)
    image = nib.load(path)
    image.header["pixdim"][4] = step
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj).copy(), None, image.header), path)
    data, meta, _ = read_nifti(path)
    found = read_image(path)
    assert found.axes == "".join(meta["axis_labels"]) == axes
    assert len(meta["scale"]) == len(meta["units"]) == data.ndim
    assert set(meta["units"][-2:]) == {"um"}
    squeezed = [n for i, n in enumerate(shape) if i < 3 or n > 1]
    np.testing.assert_array_equal(
        data if "TC" not in axes else data.swapaxes(0, 1), image.get_fdata().reshape(squeezed).T
    )
    written = rewrite(path, tmp_path / "b.nii")
    np.testing.assert_array_equal(
        np.asarray(written.dataobj).squeeze(), np.asarray(image.dataobj).squeeze()
    )
    assert_same_header(image, written, but=["dim"])
    assert read_image(tmp_path / "b.nii").axes == axes


def test_time_has_its_unit_and_its_first_point(tmp_path):
    path = save(tmp_path / "a.nii", numbers((*SHAPE, 3)), set_xyzt_units=("mm", "msec"), toffset=7)
    _, meta, _ = read_nifti(path)
    assert meta["units"] == ("ms", "mm", "mm", "mm")
    assert (meta["scale"][0], meta["affine"][0, -1]) == (1, 7)


def test_colours_are_the_last_axis(tmp_path):
    colours = numbers((*SHAPE, 3), np.uint8)
    rgb = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    save(tmp_path / "a.nii.gz", np.ascontiguousarray(colours).view(rgb)[..., 0])
    image = read_image(tmp_path / "a.nii.gz")
    assert (image.axes, image.orientation) == ("ZYXC", "SAR")
    np.testing.assert_array_equal(image.data, colours.transpose(2, 1, 0, 3))
    written = rewrite(tmp_path / "a.nii.gz", tmp_path / "b.nii")
    assert written.get_data_dtype() == rgb
    np.testing.assert_array_equal(written.dataobj, nib.load(tmp_path / "a.nii.gz").dataobj)


@pytest.mark.parametrize("data", [numbers((5,)), numbers((2, 2, 2, 2, 2, 2))])
def test_shapes_that_are_no_image_are_refused(tmp_path, data):
    nib.save(nib.Nifti1Image(data, None), tmp_path / "a.nii")
    with pytest.raises(ValueError, match=r"a\.nii cannot be read: it has the shape"):
        read_image(tmp_path / "a.nii")
    with pytest.raises(ValueError, match=r"a\.nii cannot be read: it has the shape"):
        get_reader(str(tmp_path / "a.nii"))(str(tmp_path / "a.nii"))


def test_nifti_2_stays_nifti_2(tmp_path):
    nib.save(nib.Nifti2Image(numbers(), AFFINES["oblique"]), tmp_path / "a.nii.gz")
    written = rewrite(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz")
    assert isinstance(written, nib.Nifti2Image)
    assert_same_header(nib.load(tmp_path / "a.nii.gz"), written)


def test_the_reader_takes_paths_and_lists(tmp_path):
    one, two = save(tmp_path / "a.nii"), save(tmp_path / "b.NII.GZ")
    assert len(get_reader(str(one))(str(one))) == 1
    assert [meta["name"] for _, meta, _ in get_reader([str(one), two])([one, str(two)])] == [
        "a",
        "b",
    ]
    assert get_reader([str(one), "c.tif"]) is None
    assert get_reader([]) is None


@ENDINGS
def test_labels_open_as_labels(tmp_path, ending):
    source = save(tmp_path / "a.nii")
    header = read_image(source).metadata["nifti"]
    labels = numbers(SHAPE[::-1]) % 3
    path = tmp_path / f"l{ending}"
    write_labels(path, labels, FileMetadata("ZYX", header=header, provenance={"model": "m"}))
    data, _, kind = read_nifti(path)
    assert (kind, data.dtype) == ("labels", np.uint8)
    np.testing.assert_array_equal(read_labels(path), labels)
    written = nib.load(path)
    np.testing.assert_array_equal(written.affine, nib.load(source).affine)
    assert written.header.get_intent()[0] == "label"
    assert (written.header["cal_min"], written.header["cal_max"]) == (0, 2)
    (note,) = written.header.extensions
    assert note.get_content() == b'{"napari-segkit": {"model": "m"}}'


def test_provenance_replaces_earlier_provenance(tmp_path):
    path = save(tmp_path / "a.nii")
    for number in range(3):
        header = read_image(path).metadata["nifti"]
        path = tmp_path / f"{number}.nii"
        note = {"number": number}
        write_labels(
            path, numbers(SHAPE[::-1]), FileMetadata("ZYX", header=header, provenance=note)
        )
    assert len(nib.load(path).header.extensions) == 1


def test_label_intent_with_floating_point_values(tmp_path):
    save(tmp_path / "a.nii", numbers(dtype=np.float32), intent_code=1002)
    data, _, kind = read_nifti(tmp_path / "a.nii")
    assert (kind, data.dtype) == ("labels", np.uint8)


def test_whole_floating_point_numbers_are_integers_when_read_as_labels(tmp_path):
    path = save(tmp_path / "a.nii", numbers(dtype=np.float64))
    assert read_labels(path).dtype == np.uint8
    assert read_image(path).data.dtype == np.float64
    with pytest.raises(ValueError, match=r"a\.nii: The labels .* fractions such as 0\.5"):
        read_labels(save(path, numbers() + 0.5))


@pytest.mark.parametrize(
    ("shape", "axes", "stored"),
    [((2, 7, 6, 5), "CZYX", (5, 6, 7, 2)), ((2, 3, 7, 6, 5), "CTZYX", (5, 6, 7, 3, 2))],
)
def test_probabilities_are_the_last_dimension(tmp_path, shape, axes, stored):
    time = {"set_xyzt_units": ("mm", "sec")}
    source = save(tmp_path / "a.nii", numbers((5, 6, 7, 3) if "T" in axes else SHAPE), **time)
    header = read_image(source).metadata["nifti"]
    maps = np.random.default_rng(0).random(shape, np.float32)
    write_probabilities(tmp_path / "p.nii.gz", maps, FileMetadata(axes, header=header))
    written = nib.load(tmp_path / "p.nii.gz")
    assert (written.shape, written.get_data_dtype()) == (stored, np.float32)
    np.testing.assert_array_equal(written.affine, nib.load(source).affine)
    image = read_image(tmp_path / "p.nii.gz")
    assert sorted(image.axes) == sorted(axes)
    order = [axes.index(a) for a in image.axes]
    np.testing.assert_array_equal(image.data, maps.transpose(order))


@pytest.mark.parametrize("axes", ["YX", "ZYX", "TZYX"])
def test_labels_of_an_image_of_another_format(tmp_path, axes):
    labels = numbers((4, 5, 6, 7)[-len(axes) :], np.uint8)
    write_labels(tmp_path / "a.nii", labels, FileMetadata(axes, spacing=(2, 0.5, 0.25)))
    image = read_image(tmp_path / "a.nii")
    assert (image.axes, image.shape) == (axes, labels.shape)
    assert image.spacing[1:] == (0.5, 0.25)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.nii"), labels)


def test_labels_are_reoriented_like_their_image(tmp_path):
    image = nib.Nifti1Image(numbers(), AFFINES["plain"])
    nib.save(image, tmp_path / "a.nii")
    moved = image.as_reoriented(
        nib.orientations.ornt_transform(
            nib.io_orientation(image.affine), nib.orientations.axcodes2ornt("PIR")
        )
    )
    nib.save(moved, tmp_path / "b.nii")
    assert nib.aff2axcodes(moved.affine) == ("P", "I", "R")
    turned = read_labels(tmp_path / "b.nii", orientation=read_image(tmp_path / "a.nii").orientation)
    np.testing.assert_array_equal(turned, read_labels(tmp_path / "a.nii"))
    assert not np.array_equal(read_labels(tmp_path / "b.nii"), turned)


def test_a_moved_layer_is_written_in_its_place(tmp_path):
    path = save(tmp_path / "a.nii", set_qform=(AFFINES["oblique"], 1))
    written = rewrite(path, tmp_path / "b.nii", translate=(1.0, 0.0, 0.0))
    before, after = (options_to_world(read_nifti(p)[1], 3) for p in (path, tmp_path / "b.nii"))
    step = before @ [1 / 2.5, 0, 0, 1]  # 1 mm along Z of the voxel grid
    np.testing.assert_allclose(after[:, -1], step, atol=1e-5)
    np.testing.assert_allclose(written.get_qform(), written.get_sform(), atol=1e-4)
    codes = [int(written.header[name]) for name in ("sform_code", "qform_code")]
    assert codes == [2, 1]


def test_a_layer_of_another_program(tmp_path):
    meta = {
        "scale": [3.0, 0.5, 0.25],
        "translate": [1.0, 2.0, 3.0],
        "rotate": np.eye(3).tolist(),
        "shear": [0.0, 0.0, 0.0],
        "affine": np.diag([1.0, -1.0, 1.0, 1.0]),
        "units": ("um", "um", "micrometer"),
        "axis_labels": ("-3", "-2", "-1"),
    }
    labels = numbers(SHAPE[::-1], np.int32) - 100
    write_labels_layer(str(tmp_path / "a.nii.gz"), labels, meta)
    written = nib.load(tmp_path / "a.nii.gz")
    expected = [[0.25, 0, 0, 3], [0, -0.5, 0, -2], [0, 0, 3, 1], [0, 0, 0, 1]]
    np.testing.assert_allclose(written.affine, expected)
    assert written.header.get_xyzt_units() == ("micron", "unknown")
    assert written.header.get_zooms() == (0.25, 0.5, 3)
    assert written.get_data_dtype() == np.int8
    np.testing.assert_array_equal(written.dataobj, labels.T)


def test_too_many_dimensions_are_refused(tmp_path):
    data = np.zeros((2,) * 6)
    with pytest.raises(ValueError, match="6 dimensions does not fit"):
        write_image_layer(str(tmp_path / "a.nii"), data, {"scale": np.ones(6)})
    assert not list(tmp_path.iterdir())


def test_a_header_of_another_kind_of_image_is_left_out(tmp_path):
    _, meta, _ = read_nifti(save(tmp_path / "a.nii"))
    flat = {"metadata": meta["metadata"], "scale": [2.0, 0.5], "axis_labels": ("Y", "X")}
    write_image_layer(str(tmp_path / "b.nii"), numbers((6, 5)), flat)
    assert read_image(tmp_path / "b.nii").spacing[1:] == (2, 0.5)


def test_an_image_whose_slices_are_channels_gives_a_plane_with_its_pixel_size(tmp_path):
    image = read_image(save(tmp_path / "a.nii", matrix=AFFINES["plain"]), "CYX")
    assert (image.orientation, image.spacing) == ("", (1, 1, 0.5))
    about = {"spacing": image.spacing, "header": image.metadata["nifti"]}
    write_labels(tmp_path / "b.nii", numbers((6, 5)), FileMetadata("YX", **about))
    assert read_image(tmp_path / "b.nii").spacing == (1, 1, 0.5)


def test_a_truncated_file_is_refused(tmp_path):
    path = save(tmp_path / "a.nii.gz")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"a\.nii\.gz cannot be read: "):
        get_reader(str(path))(str(path))
    with pytest.raises(ValueError, match=r"a\.nii\.gz cannot be read: "):
        read_image(path)


def test_a_file_is_replaced_while_it_is_shown(tmp_path):
    path = save(tmp_path / "a.nii")
    data, meta, _ = read_nifti(path)
    before = np.array(data)
    write_image_layer(str(path), data + 1, meta)
    np.testing.assert_array_equal(data, before)
    np.testing.assert_array_equal(read_nifti(path)[0], before + 1)


@pytest.mark.parametrize(
    "name",
    [
        "mri_spinal_sct/images/t1.nii.gz",
        "mri_spinal_sct/images/t2.nii.gz",
        "mri_spinal_sct/images/t2s.nii.gz",
        "mri_spinal_sct/masks_vertebral_levels/t2.nii.gz",
        "mri_spine_generic/images/sub-unf01_T1w.nii.gz",
        "mri_spine_generic/masks/sub-unf01_T2w.nii.gz",
    ],
)
def test_real_files(real_data, tmp_path, name):
    assert_placed_as_in_file(real_data / name)
    written = rewrite(real_data / name, tmp_path / "b.nii.gz")
    original = nib.load(real_data / name)
    assert_same_header(original, written)
    assert written.get_data_dtype() == original.get_data_dtype()
    np.testing.assert_array_equal(written.dataobj, original.dataobj)
