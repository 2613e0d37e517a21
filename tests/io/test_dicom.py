"""DICOM files and series, written by pydicom and SimpleITK."""

from pathlib import Path

import imagecodecs
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    BasicTextSRStorage,
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    SegmentationStorage,
    generate_uid,
)

from napari_segkit.io.files import read_image, read_labels, write_labels
from napari_segkit.io.folders import pair_files
from napari_segkit.io.image_files import find_images, is_folder
from napari_segkit.io.nifti.header import file_affine, layer_placement
from napari_segkit.io.nifti.layers import get_reader
from napari_segkit.io.writers import FileMetadata
from napari_segkit.jobs.output_files import plan_outputs

SERIES = generate_uid()
OTHER_WRITERS = (
    "CT_small.dcm",
    "MR_small_RLE.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_implicit.dcm",
    "examples_rgb_color.dcm",
    "examples_overlay.dcm",
    "SC_rgb_rle.dcm",
    "SC_rgb_small_odd.dcm",
    "ExplVR_BigEnd.dcm",
    "rtdose.dcm",
)
STRAIGHT, TILTED = (1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0.96, 0.28)


def numbers(shape=(6, 8), dtype=np.int16, high=1000):
    return np.random.default_rng(0).integers(0, high, shape).astype(dtype)


def save(
    path, pixels, position=None, orientation=STRAIGHT, series=SERIES, kind=CTImageStorage, **fields
):
    """Write a file with pydicom; without a position it is not a slice."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = kind
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.SeriesInstanceUID, data.StudyInstanceUID = series, SERIES
    data.Modality, data.SeriesDescription = "CT", f"part {series[-2:]}"
    colours = pixels.shape[-1] == 3
    data.Rows, data.Columns = pixels.shape[-2 - colours :][:2]
    data.SamplesPerPixel = 3 if colours else 1
    data.PhotometricInterpretation = "RGB" if colours else "MONOCHROME2"
    if colours:
        data.PlanarConfiguration = 0
    if pixels.ndim - colours == 3:
        data.NumberOfFrames = len(pixels)
    data.PixelSpacing = [0.7, 0.5]
    data.BitsAllocated = data.BitsStored = pixels.itemsize * 8
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, int(pixels.dtype.kind == "i")
    if position is not None:
        data.ImagePositionPatient = list(position)
        data.ImageOrientationPatient = list(orientation)
    data.PixelData = pixels.tobytes()
    for name, value in fields.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return data


def save_series(folder, volume, step=(0, 0, 2.5), origin=(10, -20, 30), order=None, **fields):
    """Slices in files whose names are in another order than their positions."""
    folder.mkdir(exist_ok=True)
    order = order or [(7 * i + 3) % len(volume) for i in range(len(volume))]
    assert sorted(order) == list(range(len(volume)))
    for name, z in enumerate(order):
        position = np.add(origin, np.multiply(step, z))
        save(folder / f"IM{name:04d}", volume[z], position, **fields)


def paths_in(folder):
    return [image.path for image in find_images(folder)]


def test_each_file_of_its_own_series_gives_its_own_pixels(tmp_path, capfd):
    for i in range(5):
        save(tmp_path / f"{i}.dcm", numbers() + i, (0, 0, 0), series=generate_uid())
    files = paths_in(tmp_path)
    assert [p.name for p in files] == [f"{i}.dcm" for i in range(5)]
    for i, path in enumerate(files):
        image = read_image(path)
        assert (image.axes, image.spacing, image.unit) == ("YX", (1, 0.7, 0.5), "mm")
        assert image.data.dtype == np.int16
        np.testing.assert_array_equal(image.data, numbers() + i)
    assert capfd.readouterr() == ("", "")


def test_slices_as_simpleitk_writes_them_are_images_of_their_own(tmp_path):
    for i in range(3):
        slice_ = SimpleITK.GetImageFromArray(numbers(dtype=np.uint16) + i)
        SimpleITK.WriteImage(slice_, tmp_path / f"{i}.dcm")
    assert is_folder(tmp_path)
    for i, path in enumerate(paths_in(tmp_path)):
        np.testing.assert_array_equal(read_image(path).data, numbers() + i)


@pytest.mark.parametrize("orientation", [STRAIGHT, TILTED])
def test_a_folder_of_one_series_is_a_volume_in_its_place(tmp_path, orientation):
    volume = numbers((5, 6, 8))
    normal = np.cross(orientation[:3], orientation[3:])
    save_series(tmp_path / "scan", volume, normal * 2.5, orientation=orientation)
    assert not is_folder(tmp_path / "scan")
    assert [p.name for p in paths_in(tmp_path)] == ["scan"]
    image = read_image(tmp_path / "scan")
    np.testing.assert_array_equal(image.data, volume)
    np.testing.assert_allclose(image.spacing, (2.5, 0.7, 0.5), rtol=1e-6)
    truth = np.eye(4)
    truth[:3] = np.transpose(
        [
            np.multiply(orientation[:3], 0.5),
            np.multiply(orientation[3:], 0.7),
            normal * 2.5,
            (10, -20, 30),
        ]
    )
    truth = np.diag([-1, -1, 1, 1]) @ truth
    np.testing.assert_allclose(file_affine(image.metadata["nifti"]), truth, atol=1e-5)
    assert image.orientation == "SPL"
    assert layer_placement(image.metadata["nifti"])["units"] == ("mm", "mm", "mm")


def test_a_series_is_placed_as_simpleitk_places_it(tmp_path):
    orientation = (0, 1, 0, 0, 0, -1)  # sagittal
    save_series(tmp_path / "scan", numbers((5, 6, 8)), (-2.5, 0, 0), orientation=orientation)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "scan")))
    SimpleITK.WriteImage(reader.Execute(), tmp_path / "a.nii.gz")
    image, expected = read_image(tmp_path / "scan"), read_image(tmp_path / "a.nii.gz")
    assert (image.axes, image.orientation) == (expected.axes, expected.orientation)
    np.testing.assert_array_equal(image.data, expected.data)
    matrices = [file_affine(i.metadata["nifti"]) for i in (image, expected)]
    np.testing.assert_allclose(*matrices, atol=1e-4)


def test_a_tilted_gantry_shears_the_volume(tmp_path):
    save_series(tmp_path / "scan", numbers((5, 6, 8)), (0, 0.6, 2.5))
    matrix = file_affine(read_image(tmp_path / "scan").metadata["nifti"])
    np.testing.assert_allclose(matrix[:3, 2], (0, -0.6, 2.5), atol=1e-6)


def test_every_slice_is_rescaled_by_its_own_slope(tmp_path):
    save(tmp_path / "a.dcm", numbers(), (0, 0, 0), RescaleSlope=1, RescaleIntercept=-24)
    save(tmp_path / "b.dcm", numbers(), (0, 0, 2), RescaleSlope=2.5, RescaleIntercept=0)
    image = read_image(tmp_path)
    assert image.data.dtype == np.float32
    np.testing.assert_allclose(image.data, [numbers() - 24, numbers() * 2.5])


def test_missing_slices_are_said(tmp_path):
    for z in (0, 2, 4, 8):
        save(tmp_path / f"{z}.dcm", numbers(), (0, 0, z))
    sentence = r"apart, as if some were missing: they are placed evenly, 2\.667 mm apart"
    with pytest.warns(UserWarning, match=f"2 to 4 mm {sentence}"):
        assert read_image(tmp_path).spacing[0] == pytest.approx(8 / 3, rel=1e-5)


def test_other_files_of_a_series_are_left_out_and_named(tmp_path):
    save_series(tmp_path / "scan", numbers((3, 6, 8)))
    report = save(tmp_path / "scan" / "report", numbers(), kind=BasicTextSRStorage)
    del report.PixelData, report.Rows, report.Columns
    report.save_as(tmp_path / "scan" / "report", enforce_file_format=True)
    with pytest.raises(ValueError, match="report cannot be read: it holds no image"):
        read_image(tmp_path / "scan" / "report")
    (tmp_path / "scan" / "notes.txt").touch()
    (tmp_path / "scan" / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    with pytest.warns(UserWarning, match="scan holds files that are no slices .*: report"):
        assert read_image(tmp_path / "scan").shape == (3, 6, 8)


def test_a_file_before_those_of_a_series_is_left_out_and_named(tmp_path):
    save_series(tmp_path / "scan", numbers((3, 6, 8), high=9))
    (tmp_path / "scan" / "a.pdf").write_bytes(b"%PDF")
    for read in (lambda path: read_image(path).data, read_labels):
        with pytest.warns(UserWarning, match=r"files that are no slices .*: a\.pdf"):
            np.testing.assert_array_equal(read(tmp_path / "scan"), numbers((3, 6, 8), high=9))


def test_several_series_in_a_folder_are_images_of_their_own_which_is_said(tmp_path):
    for i, uid in enumerate(["1.2.31", "1.2.32"]):
        for z in range(2):
            save(tmp_path / f"{i}{z}.dcm", numbers() + i + z, (0, 0, z), series=uid)
    assert is_folder(tmp_path)
    sentence = r"series \(part 31: 2 files, part 32: 2 files\): each file .* an image of its own"
    with pytest.warns(UserWarning, match=sentence):
        files = paths_in(tmp_path)
    assert len(files) == 4
    np.testing.assert_array_equal(read_image(files[-1]).data, numbers() + 2)
    with pytest.raises(ValueError, match=r"several DICOM series \(part 31: 2 files, part 32"):
        read_image(tmp_path)
    with pytest.warns(UserWarning, match=sentence):
        assert len(find_images(tmp_path / "*.dcm")) == 4


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        ({"position": (0, 0, 0)}, "2 slices at 1 places, such as several times or echoes"),
        ({"orientation": (0, 1, 0, 0, 0, -1)}, "have several orientations"),
        ({"pixels": numbers((7, 8))}, "differ in size"),
    ],
)
def test_slices_that_are_no_volume_are_refused(tmp_path, second, sentence):
    save(tmp_path / "a.dcm", numbers(), (0, 0, 0))
    save(tmp_path / "b.dcm", **({"pixels": numbers(), "position": (0, 0, 2)} | second))
    with pytest.raises(ValueError, match=rf"{tmp_path.name} cannot be read: .*{sentence}"):
        read_image(tmp_path)


def test_files_without_a_position_are_images_of_their_own(tmp_path):
    for i in range(2):
        save(tmp_path / f"{i}.dcm", numbers() + i)
    assert is_folder(tmp_path)
    for i, path in enumerate(paths_in(tmp_path)):
        np.testing.assert_array_equal(read_image(path).data, numbers() + i)
    with pytest.raises(ValueError, match="not the slices of one volume: give them one by one"):
        read_image(tmp_path)


@pytest.mark.parametrize("name", ["IM0001", "1.2.840.113", "a.dcm", "a.DCM"])
def test_a_dicom_file_of_any_name_is_read(tmp_path, name):
    save(tmp_path / name, numbers())
    np.testing.assert_array_equal(read_image(tmp_path / name).data, numbers())
    assert [p.name for p in paths_in(tmp_path)] == [name]


def test_files_named_by_uids_are_told_apart(tmp_path):
    images, labels = tmp_path / "images", tmp_path / "labels"
    for folder in (images, labels):
        folder.mkdir()
        for i in range(2):
            save(folder / f"1.2.840.{i}", numbers(), series=generate_uid())
    assert [a.name for a, _ in pair_files(images, labels)] == ["1.2.840.0", "1.2.840.1"]


def test_a_white_0_is_inverted_as_viewers_show_it(tmp_path):
    pixels = numbers(dtype=np.uint16)
    fields = {"BitsStored": 12, "HighBit": 11, "PhotometricInterpretation": "MONOCHROME1"}
    save(tmp_path / "a.dcm", pixels, **fields)
    np.testing.assert_array_equal(read_image(tmp_path / "a.dcm").data, 4095 - pixels)
    with pytest.raises(ValueError, match=r"a\.dcm cannot be read: its greys are stored with 0 as"):
        read_labels(tmp_path / "a.dcm")


def test_colours_are_read(tmp_path):
    colours = numbers((6, 8, 3), np.uint8, 255)
    save(tmp_path / "a.dcm", colours)
    image = read_image(tmp_path / "a.dcm")
    assert image.axes == "YXC"
    np.testing.assert_array_equal(image.data, colours)


def encode_jpeg(pixels):
    return imagecodecs.jpeg8_encode(pixels, level=95)


@pytest.mark.parametrize(
    ("syntax", "encode", "dtype"),
    [
        (RLELossless, None, np.uint16),
        (JPEG2000Lossless, imagecodecs.jpeg2k_encode, np.uint16),
        (JPEGLSLossless, imagecodecs.jpegls_encode, np.uint16),
        (JPEGLosslessSV1, imagecodecs.ljpeg_encode, np.uint16),
        (JPEGBaseline8Bit, encode_jpeg, np.uint8),
    ],
)
def test_compressed_files_are_read(tmp_path, capfd, syntax, encode, dtype):
    pixels = np.add.outer(np.arange(16), np.arange(24)).astype(dtype) * 4
    data = save(tmp_path / "a.dcm", pixels)
    if encode is None:
        data.compress(syntax)
    else:
        options = {"codecformat": "j2k", "level": 0} if syntax == JPEG2000Lossless else {}
        data.PixelData = encapsulate([encode(pixels, **options)])
        data["PixelData"].is_undefined_length = True
        data.file_meta.TransferSyntaxUID = syntax
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    read = read_image(tmp_path / "a.dcm").data
    assert np.abs(read.astype(int) - pixels).max() <= (3 if syntax == JPEGBaseline8Bit else 0)
    assert capfd.readouterr() == ("", "")


def test_frames_are_the_planes_of_a_volume(tmp_path):
    volume = SimpleITK.GetImageFromArray(numbers((5, 6, 8), np.uint16))
    volume.SetSpacing((0.5, 0.7, 2.5))
    SimpleITK.WriteImage(volume, tmp_path / "a.dcm")
    image = read_image(tmp_path / "a.dcm")
    assert image.axes == "ZYX"
    np.testing.assert_allclose(image.spacing, (2.5, 0.7, 0.5))
    np.testing.assert_array_equal(image.data, numbers((5, 6, 8)))


def save_frames(path, volume, depths):
    """An enhanced MR image, in which each frame has a position of its own."""
    shared, measures, plane, rescaling = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.7, 0.5], 2.5
    plane.ImageOrientationPatient = list(STRAIGHT)
    rescaling.RescaleSlope, rescaling.RescaleIntercept, rescaling.RescaleType = 2, -5, "US"
    shared.PixelMeasuresSequence = [measures]
    shared.PlaneOrientationSequence = [plane]
    shared.PixelValueTransformationSequence = [rescaling]
    frames = []
    for depth in depths:
        frame, place = Dataset(), Dataset()
        place.ImagePositionPatient = [10, -20, depth]
        frame.PlanePositionSequence = [place]
        frames.append(frame)
    groups = {"SharedFunctionalGroupsSequence": [shared]}
    groups["PerFrameFunctionalGroupsSequence"] = frames
    save(path, volume, kind=EnhancedMRImageStorage, **groups)


@pytest.mark.parametrize(
    ("depths", "orientation", "step"), [((30, 32.5, 35), "SPL", 2.5), ((35, 30, 25), "IPL", -5)]
)
def test_the_frames_of_an_enhanced_image_are_placed(tmp_path, depths, orientation, step):
    volume = numbers((3, 6, 8), np.uint16)
    save_frames(tmp_path / "a.dcm", volume, depths)
    image = read_image(tmp_path / "a.dcm")
    np.testing.assert_array_equal(image.data, volume * 2.0 - 5)
    matrix = file_affine(image.metadata["nifti"])
    np.testing.assert_allclose(matrix[:3, 2:], [(0, -10), (0, 20), (step, depths[0])], atol=1e-5)
    assert image.orientation == orientation


@pytest.mark.parametrize("depths", [(30, 35, 32.5), (30, 32.5, 40)])
def test_frames_that_are_not_evenly_in_order_are_refused(tmp_path, depths):
    save_frames(tmp_path / "a.dcm", numbers((3, 6, 8), np.uint16), depths)
    with pytest.raises(ValueError, match=r"a\.dcm cannot be read: its 3 frames are no evenly"):
        read_image(tmp_path / "a.dcm")


def test_napari_opens_files_of_a_series_as_a_stack_in_one_layer(tmp_path):
    save_series(tmp_path / "scan", numbers((3, 6, 8)))
    files = [str(p) for p in sorted((tmp_path / "scan").iterdir())]
    ((data, meta, kind),) = get_reader(files)(files)
    np.testing.assert_array_equal(data, numbers((3, 6, 8)))
    np.testing.assert_allclose(meta["scale"], (2.5, 0.7, 0.5))
    assert (meta["name"], kind) == ("scan", "image")
    ((data, _, _),) = get_reader(files[0])(files[0])
    assert data.shape == (6, 8)


def test_frames_over_time_are_said_to_be_read_as_z(tmp_path):
    save(tmp_path / "a.dcm", numbers((4, 6, 8)), FrameTime=40)
    with pytest.warns(UserWarning, match=r"a\.dcm holds 4 frames over time: they are read as Z"):
        image = read_image(tmp_path / "a.dcm")
    assert (image.axes, image.orientation) == ("ZYX", "")
    np.testing.assert_array_equal(image.data, numbers((4, 6, 8)))


def test_big_endian_values_of_32_bits_are_refused(tmp_path):
    path = tmp_path / "a.dcm"
    data = save(path, numbers(dtype=np.uint32))
    data.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    data.PixelData = numbers(dtype=">u4").tobytes()
    pydicom.dcmwrite(path, data, little_endian=False, implicit_vr=False)
    with pytest.raises(ValueError, match=r"a\.dcm cannot be read: .* 32 bits in big endian"):
        read_image(path)


def test_files_of_many_writers_are_read_as_pydicom_reads_them(capfd):
    """The files of pydicom's tests, which are in its wheel."""
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    for name in OTHER_WRITERS:
        data = pydicom.dcmread(folder / name)
        truth = data.pixel_array * float(data.get("RescaleSlope", 1))
        truth = truth + float(data.get("RescaleIntercept", 0))
        np.testing.assert_array_equal(read_image(folder / name).data, truth, name)
    read_image(folder / "JPGExtended.dcm")  # libjpeg prints that 12 bits are not supported
    assert capfd.readouterr() == ("", "")


def test_a_segmentation_object_is_refused_with_what_to_do(tmp_path):
    save(tmp_path / "a.dcm", numbers((2, 6, 8), np.uint8), kind=SegmentationStorage)
    with pytest.raises(ValueError, match=r"a\.dcm cannot be read: it is a DICOM segmentation"):
        read_labels(tmp_path / "a.dcm")


def test_labels_in_dicom_are_read_exactly(tmp_path):
    save_series(tmp_path / "labels", numbers((3, 6, 8), np.uint16))
    np.testing.assert_array_equal(read_labels(tmp_path / "labels"), numbers((3, 6, 8)))


def test_folders_of_series_pair_with_nifti_labels(tmp_path):
    for name in ("p1", "p2"):
        (tmp_path / "images").mkdir(exist_ok=True)
        save_series(tmp_path / "images" / name, numbers((3, 6, 8)))
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels" / f"{name}.nii.gz").touch()
    pairs = pair_files(tmp_path / "images", tmp_path / "labels")
    assert [(a.name, b.name) for a, b in pairs] == [("p1", "p1.nii.gz"), ("p2", "p2.nii.gz")]
    images = [image for image, _ in pairs]
    outputs = plan_outputs([tmp_path / "images"], images, tmp_path / "out")
    assert [b.name for _, b in outputs] == ["p1.nii.gz", "p2.nii.gz"]


def test_the_slices_of_a_series_pair_with_a_folder_of_masks(tmp_path):
    save_series(tmp_path / "scan", numbers((3, 6, 8)))
    (tmp_path / "masks").mkdir()
    for i in range(3):
        (tmp_path / "masks" / f"IM{i:04d}_mask.png").touch()
    with pytest.warns(UserWarning, match="each file is taken as an image of its own"):
        pairs = pair_files(tmp_path / "scan", tmp_path / "masks")
    assert [a.name for a, _ in pairs] == ["IM0000", "IM0001", "IM0002"]


@pytest.mark.parametrize("size", [140, 600, 900])
def test_a_file_cut_short_is_refused_in_one_sentence(tmp_path, capfd, size):
    path = tmp_path / "a.dcm"
    save(path, numbers((30, 40)))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"a\.dcm cannot be read: ") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_slice_cut_short_is_named(tmp_path, capfd):
    save_series(tmp_path / "scan", numbers((3, 30, 40)))
    path = tmp_path / "scan" / "IM0001"
    path.write_bytes(path.read_bytes()[:1800])
    with pytest.raises(ValueError, match=r"scan cannot be read: IM0001: "):
        read_image(tmp_path / "scan")
    assert capfd.readouterr() == ("", "")


def test_labels_of_a_series_are_written_on_its_grid(tmp_path):
    save_series(tmp_path / "scan", numbers((3, 6, 8)), (0, 0.7, 2.4), orientation=TILTED)
    image = read_image(tmp_path / "scan")
    write_labels(
        tmp_path / "a.nii.gz",
        image.data,
        FileMetadata(image.axes, header=image.metadata["nifti"]),
    )
    written = nibabel.load(tmp_path / "a.nii.gz")
    np.testing.assert_allclose(written.affine, file_affine(image.metadata["nifti"]), atol=1e-5)
