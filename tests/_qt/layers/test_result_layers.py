from functools import partial

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils._proxies import PublicOnlyProxy
from napari.utils.transforms import Affine

from napari_segkit._qt.layers.layer_classes import set_class_colors, set_class_names
from napari_segkit._qt.layers.layer_registry import LayerRegistry
from napari_segkit._qt.layers.result_layers import LayerWriter, fingerprint, new_labels
from napari_segkit._qt.layers.snapshots import placement, snapshot
from napari_segkit.config import CleanConfig, CRFConfig, MRFConfig, RefineConfig
from napari_segkit.config._schema import to_dict
from napari_segkit.images.axes_image import as_image
from napari_segkit.images.classes import LabelClass, classes_of
from napari_segkit.images.label_stats import label_stats
from napari_segkit.label_result import LabelResult

CLASSES = (LabelClass(1, "nuclei", "#ff0000"), LabelClass(2, "cells", "#00ff00"))
SPATIAL = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
TRANSFORM = {
    "scale": (0.5, 0.25),
    "translate": (10, -20),
    "rotate": 30,
    "shear": [0.2],
    "affine": [[1, 0.1, 3], [0, 2, 4], [0, 0, 1]],
    "units": ("um", "um"),
    "axis_labels": ("y", "x"),
}


@pytest.fixture(params=["viewer", "proxy"])
def viewer(request):
    viewer = ViewerModel()
    return viewer if request.param == "viewer" else PublicOnlyProxy(viewer)


def assert_same_transform(layer, other, where=((3.0, 4.0), (0.0, 7.5))):
    assert (layer.units, layer.axis_labels) == (other.units, other.axis_labels)
    for point in where:
        np.testing.assert_allclose(layer.data_to_world(point), other.data_to_world(point))


def write(viewer, source, labels, between=lambda: None, *, axes=None, classes=CLASSES, **options):
    """Write a result; `between` is called after its preparation."""
    image = as_image(snapshot(source), axes, labels_shape=labels.shape)
    registry = LayerRegistry(viewer)
    writer = LayerWriter(registry, snapshot(source), **options)
    provenance = {"model": 1, "image": {"axes": image.axes}}
    result = LabelResult(labels, image.label_axes, classes, provenance)
    writer.prepare(result)
    between()
    return writer.write(result)


def test_a_snapshot_reads_like_its_layer(viewer):
    image = viewer.add_image(np.zeros((9, 9, 3), np.uint8), rgb=True, scale=(2, 3), name="rgb")
    labels = viewer.add_labels(np.eye(9, dtype=np.uint8), name="l")
    set_class_names(labels, CLASSES)
    set_class_colors(labels, CLASSES)
    for read in (as_image, lambda layer: label_stats(layer)):
        assert repr(read(snapshot(labels))) == repr(read(labels))
    assert as_image(snapshot(image)).axes == "YXC"
    assert as_image(snapshot(image)).spacing == as_image(image).spacing == (1, 2, 3)
    assert classes_of(snapshot(labels), [1, 2]) == CLASSES
    assert snapshot(snapshot(image)).data is image.data


def test_painting_does_not_change_a_snapshot(viewer):
    labels = viewer.add_labels(np.zeros((9, 9), np.uint8))
    before = snapshot(labels)
    labels.selected_label = 2
    labels.paint((4, 4), 2)
    assert labels.data.any()
    assert not before.data.any()


def test_a_multiscale_image_is_read_at_full_resolution():
    levels = [np.zeros((64, 64)), np.zeros((32, 32))]
    layer = Image(levels, scale=(2, 2))
    assert as_image(snapshot(layer)).shape == (64, 64)


def test_placement_of_all_dimensions():
    image = Image(np.zeros((8, 9)), **TRANSFORM)
    assert tuple(placement(image)) == SPATIAL
    assert_same_transform(Labels(np.zeros((8, 9), np.uint8), **placement(image)), image)
    assert_same_transform(Labels(np.zeros((8, 9), np.uint8), **placement(snapshot(image))), image)


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
@pytest.mark.parametrize("channel", [0, 1, 3])
def test_placement_without_a_channel_axis(channel):
    kept = [i for i in range(4) if i != channel]
    rotate, affine = np.eye(4), np.eye(5)
    rotate[np.ix_(kept[1:], kept[1:])] = Affine(rotate=30, ndim=2).linear_matrix
    affine[np.ix_([*kept, 4], [*kept, 4])] = [
        [2, 0, 0, 5], [0, 2, 0.1, 6], [0, 0, 1, 7], [0, 0, 0, 1],
    ]  # fmt: skip
    shear = np.eye(4)
    shear[kept[1], kept[2]] = 0.3
    image = Image(
        np.zeros((2, 3, 4, 5)),
        scale=np.insert([2.0, 0.5, 0.25], channel, 9),
        translate=np.insert([1.0, 2.0, 3.0], channel, 9),
        rotate=rotate,
        shear=shear,
        affine=affine,
        units=np.insert(np.array(["um", "um", "nm"], object), channel, "pixel").tolist(),
        axis_labels=np.insert(np.array(["z", "y", "x"], object), channel, "c").tolist(),
    )
    shape = tuple(np.array(image.data.shape)[kept])
    labels = Labels(np.zeros(shape, np.uint8), **placement(image, kept))
    assert labels.axis_labels == ("z", "y", "x")
    assert [str(u) for u in labels.units] == ["micrometer", "micrometer", "nanometer"]
    for point in np.random.default_rng(0).uniform(0, 5, (5, 3)):
        world = image.data_to_world(np.insert(point, channel, 1.0))
        np.testing.assert_allclose(labels.data_to_world(point), np.delete(world, channel))


def test_a_new_layer_has_everything(viewer):
    image = viewer.add_image(np.zeros((8, 9)), name="coins", **TRANSFORM)
    layer = write(viewer, image, np.ones((8, 9), np.uint8))
    assert layer.name == "coins prediction"
    assert_same_transform(layer, image)
    assert layer.features.to_dict("list") == {"index": [1, 2], "name": ["nuclei", "cells"]}
    np.testing.assert_allclose(layer.get_color(1), (1, 0, 0, 1))
    assert layer.colormap.map(0)[3] == 0
    assert layer.metadata["segkit"]["model"] == 1
    assert classes_of(layer, [1, 2]) == CLASSES


def test_a_second_result_updates_the_layer_and_clears_its_undo_history(viewer):
    image = viewer.add_image(np.zeros((8, 9)), name="coins")
    first = write(viewer, image, np.ones((8, 9), np.uint8))
    first.opacity = 0.3
    image.scale = (2, 2)
    second = write(viewer, image, np.full((8, 9), 2, np.uint8))
    assert second == first
    assert len(viewer.layers) == 2
    assert second.opacity == 0.3
    assert_same_transform(second, image)
    second.undo()
    assert (second.data == 2).all()
    assert second.editable


def test_undo_after_an_update_restores_no_old_pixels(viewer):
    image = viewer.add_image(np.zeros((8, 9)))
    layer = write(viewer, image, np.ones((8, 9), np.uint8))
    layer.fill((0, 0), 2)
    layer.undo()
    again = write(viewer, image, np.full((8, 9), 2, np.uint8))
    assert again == layer
    layer.redo()
    layer.undo()
    assert (layer.data == 2).all()


def test_a_painted_result_is_not_overwritten(viewer):
    image = viewer.add_image(np.zeros((8, 9)))
    first = write(viewer, image, np.ones((8, 9), np.uint8))
    first.selected_label = 2
    first.paint((4, 4), 3)
    painted = first.data.copy()
    second = write(viewer, image, np.ones((8, 9), np.uint8))
    third = write(viewer, image, np.full((8, 9), 2, np.uint8))
    assert second != first
    assert third == second
    np.testing.assert_array_equal(first.data, painted)


@pytest.mark.parametrize("edit", ["paint", "redo", "data", "rename", "remove"])
def test_a_layer_edited_while_its_update_is_prepared_is_not_overwritten(viewer, edit):
    image = viewer.add_image(np.zeros((8, 9)))
    first = write(viewer, image, np.ones((8, 9), np.uint8))
    first.fill((0, 0), 2)
    first.undo()
    edits = {
        "paint": lambda: first.paint((4, 4), 3),
        "redo": first.redo,
        "data": lambda: setattr(first, "data", np.full((8, 9), 3, np.uint8)),
        "rename": lambda: setattr(first, "name", "mine"),
        "remove": lambda: viewer.layers.remove(first.name),
    }
    assert write(viewer, image, np.full((8, 9), 2, np.uint8), edits[edit]) != first
    assert not (first.data == 2).all() or edit == "redo"


def test_moving_to_another_slice_does_not_keep_a_layer_from_being_updated(viewer):
    image = viewer.add_image(np.zeros((4, 8, 9)))
    first = write(viewer, image, np.ones((4, 8, 9), np.uint8))
    move = partial(viewer.dims.set_point, 0, 2)
    assert write(viewer, image, np.full((4, 8, 9), 2, np.uint8), move) == first


def test_no_layer_is_read_when_a_result_is_shown(viewer, monkeypatch):
    image, ones = viewer.add_image(np.zeros((8, 9))), np.ones((8, 9), np.uint8)
    first = write(viewer, image, ones)
    computed = []
    first.data = da.from_array(ones, chunks=4).map_blocks(
        lambda block: computed.append(1) or block, dtype=np.uint8
    )
    second = write(viewer, image, np.full((8, 9), 2, np.uint8), computed.clear)
    assert second == first
    assert computed == []


def test_results_belong_to_their_snapshot(viewer):
    image = viewer.add_image(np.zeros((8, 9)), name="a", scale=(2, 2))
    source = snapshot(image)
    image.name, image.scale = "renamed", (1, 1)
    viewer.layers.remove("renamed")
    other = viewer.add_image(np.zeros((8, 9)), name="a")
    layer = write(viewer, source, np.ones((8, 9), np.uint8))
    assert layer.name == "a prediction"
    np.testing.assert_array_equal(layer.scale, (2, 2))
    assert write(viewer, other, np.ones((8, 9), np.uint8)) != layer


def test_kinds_of_results_get_different_layers(viewer):
    image = viewer.add_image(np.zeros((8, 9)), name="a")
    prediction = write(viewer, image, np.ones((8, 9), np.uint8))
    errors = write(viewer, image, np.ones((8, 9), np.uint8), kind="errors", name="error map")
    assert prediction != errors
    assert errors.name == "error map"


@pytest.mark.parametrize(
    ("shape", "axes", "kept"), [((3, 8, 9), "CYX", (1, 2)), ((4, 3, 8, 9), "TCYX", (0, 2, 3))]
)
def test_results_and_new_labels_leave_the_channel_axis_out(viewer, shape, axes, kept):
    scale = np.arange(1.0, len(shape) + 1)
    image = viewer.add_image(np.zeros(shape), scale=scale, axis_labels=tuple(axes.lower()))
    expected = tuple(shape[i] for i in kept)
    for layer in (
        new_labels(viewer, image),
        new_labels(viewer, image, axes),
        write(viewer, image, np.zeros(expected, np.uint8)),
        write(viewer, image, np.zeros(expected, np.uint8), axes=axes),
    ):
        assert layer.data.shape == expected
        np.testing.assert_array_equal(layer.scale, scale[list(kept)])
        assert layer.axis_labels == tuple(axes[i].lower() for i in kept)


def test_new_labels_for_a_colour_image(viewer):
    image = viewer.add_image(np.zeros((8, 9, 3), np.uint8), rgb=True, name="ihc", **TRANSFORM)
    layer = new_labels(viewer, image)
    assert layer.name == "ihc labels"
    assert (layer.data.shape, layer.data.dtype) == ((8, 9), np.uint8)
    assert_same_transform(layer, image)


def test_new_labels_for_a_multiscale_image_can_be_painted_on(viewer):
    image = viewer.add_image([np.zeros((64, 64)), np.zeros((32, 32))], name="big")
    layer = new_labels(viewer, image)
    assert layer.data.shape == (64, 64)
    layer.paint((3, 3), 1)
    assert layer.data.any()


def test_duplicated_and_renamed_results_are_not_overwritten(viewer):
    image = viewer.add_image(np.zeros((8, 9)), name="a")
    first = write(viewer, image, np.ones((8, 9), np.uint8))
    data, state, _ = first.as_layer_data_tuple()
    copy = viewer.add_labels(data.copy(), **{**state, "name": "kept"})
    assert write(viewer, image, np.full((8, 9), 2, np.uint8)) == first
    assert (copy.data == 1).all()
    first.name = "before"
    assert write(viewer, image, np.ones((8, 9), np.uint8)) != first
    assert (first.data == 2).all()


def test_a_second_result_keeps_mode_names_and_colours(viewer):
    image = viewer.add_image(np.zeros((8, 9)))
    layer = write(viewer, image, np.ones((8, 9), np.uint8))
    layer.mode = "paint"
    layer.features = layer.features.assign(name=["kernels", "cells"], area=[3, 4])
    set_class_colors(layer, [LabelClass(1, "", "#0000ff")])
    assert write(viewer, image, np.full((8, 9), 2, np.uint8)) == layer
    assert layer.mode == "paint"
    assert list(layer.features["name"]) == ["kernels", "cells"]
    assert list(layer.features["area"]) == [3, 4]
    np.testing.assert_allclose(layer.get_color(1), (0, 0, 1, 1))


def test_classes_of_another_model_replace_those_shown(viewer):
    image = viewer.add_image(np.zeros((8, 9)))
    layer = write(viewer, image, np.ones((8, 9), np.uint8))
    other = (CLASSES[0], LabelClass(3, "wall", "#0000ff"))
    again = write(viewer, image, np.ones((8, 9), np.uint8), classes=other)
    assert again == layer
    assert layer.features.to_dict("list") == {"index": [1, 3], "name": ["nuclei", "wall"]}
    np.testing.assert_allclose(layer.get_color(3), (0, 0, 1, 1))


def test_classes_with_large_values_keep_the_colours_of_napari(viewer):
    layer = viewer.add_labels(np.full((8, 9), 100_000, np.int32))
    classes = [LabelClass(100_000, "far", "#ff0000")]
    set_class_names(layer, classes)
    set_class_colors(layer, classes)
    assert layer.features.to_dict("list") == {"index": [100_000], "name": ["far"]}


def test_the_fingerprint_reads_a_large_array_in_slabs(monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 9, (40, 64, 64), np.uint8)
    expected = fingerprint(pixels)
    monkeypatch.setattr("napari_segkit.evaluation.slab_reader.SLAB_PIXELS", 4 * 64 * 64)
    lazy = da.from_array(pixels, chunks=(4, 64, 64))
    sizes = []
    original = np.ascontiguousarray
    monkeypatch.setattr(np, "ascontiguousarray", lambda a: sizes.append(a.size) or original(a))
    assert fingerprint(lazy) == expected
    assert max(sizes) == 4 * 64 * 64
    pixels[7, 3, 3] += 1
    assert fingerprint(pixels) != expected
    assert fingerprint(np.zeros((0, 3), np.uint8))


UNET = {"name": "unet", "encoder": "resnet18", "id": "u1"}
FPN = {"name": "fpn", "encoder": "resnet18", "id": "f1"}


def write_made_by(registry, source, value, kind="prediction", **provenance):
    """Write a result of some model and settings."""
    writer = LayerWriter(registry, snapshot(source), kind)
    labels = np.full(source.data.shape, value, np.uint8)
    result = LabelResult(labels, "YX", CLASSES, {"image": {"axes": "YX"}, **provenance})
    writer.prepare(result)
    layer = writer.write(result)
    return layer, registry.written_note(layer)


def test_results_of_two_models_stay_side_by_side(viewer):
    image, registry = viewer.add_image(np.zeros((8, 9)), name="cells"), LayerRegistry(viewer)
    one, note = write_made_by(registry, image, 1, model=UNET)
    assert note == "Written to the layer 'cells prediction'."
    other, note = write_made_by(registry, image, 2, model=FPN)
    assert other.name == "cells prediction (FPN resnet18)"
    assert note == (
        "Written to the layer 'cells prediction (FPN resnet18)'; 'cells prediction' stays as that "
        "of another model."
    )
    assert (one.data == 1).all()
    one.opacity, one.contour = 0.3, 1
    assert write_made_by(registry, image, 2, model=UNET)[0] is one
    assert write_made_by(registry, image, 1, model=FPN)[0] is other
    assert (one.opacity, one.contour) == (0.3, 1)
    registry.name_model("u9", "nuclei-3")
    third, _ = write_made_by(registry, image, 2, model=UNET | {"id": "u9"})
    assert third.name == "cells prediction (nuclei-3)"


def test_a_model_that_was_trained_again_updates_its_layer_and_says_so(viewer):
    image, registry = viewer.add_image(np.zeros((8, 9)), name="cells"), LayerRegistry(viewer)
    layer, _ = write_made_by(registry, image, 1, model=UNET)
    registry.keep_retraining("u1", "u2")
    registry.keep_retraining("u2", "u3")
    again, note = write_made_by(registry, image, 2, model=UNET | {"id": "u3"})
    assert again is layer
    assert note.endswith("'cells prediction', in place of that of another training of this model.")


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (RefineConfig("crf"), "labels refined"),
        (RefineConfig("crf", CRFConfig(iterations=9)), "labels refined (iterations 9)"),
        (RefineConfig("mrf"), "labels refined (mrf)"),
        (RefineConfig("mrf", mrf=MRFConfig(weight=1)), "labels refined (mrf, weight 1)"),
        (
            RefineConfig("crf", clean=(CleanConfig(2, min_size=5),)),
            "labels refined (class 2 min size 5)",
        ),
        (RefineConfig(), "labels refined (no smoothing)"),
    ],
)
def test_refinements_with_other_settings_stay_side_by_side(viewer, config, name):
    labels = viewer.add_labels(np.zeros((8, 9), int), name="labels")
    registry = LayerRegistry(viewer)

    def refined(config):
        made = {"start": "labels", "axes": "YX", "config": to_dict(config)}
        return write_made_by(registry, labels, 1, "refined", refined=made)[0]

    first = refined(RefineConfig("crf"))
    layer = refined(config)
    assert layer.name == name
    assert (layer is first) == (config == RefineConfig("crf"))
    assert refined(config) is layer


def test_a_prediction_with_other_refinement_is_another_layer(viewer):
    image, registry = viewer.add_image(np.zeros((8, 9)), name="cells"), LayerRegistry(viewer)
    write_made_by(registry, image, 1, model=UNET, refine=None)
    refine = to_dict(RefineConfig("crf")) | {"intensities": None}
    layer, note = write_made_by(registry, image, 1, model=UNET, refine=refine)
    assert layer.name == "cells prediction (crf)"
    assert "stays as that of other settings" in note
    layer, _ = write_made_by(registry, image, 1, model=FPN, refine=refine)
    assert layer.name == "cells prediction (FPN resnet18, crf)"
