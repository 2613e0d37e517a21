"""Volumes with a NIfTI header in a viewer: one header for all layers of a grid, and their view."""

from dataclasses import replace
from weakref import WeakKeyDictionary, ref

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.settings import get_settings
from napari.utils.events import Event
from napari.utils.notifications import show_info, show_warning

from napari_segkit.images.placement import data_to_world, placement_of, world_matrix
from napari_segkit.io.nifti.header import NiftiHeader, angle_between, layer_axes

from .anatomical_letters import AnatomicalLetters, turn_head_up
from .snapshots import header_of, placement
from .unwrap_proxy import unwrapped

TRANSFORM = ("scale", "translate", "rotate", "shear", "affine")
VISIBLE_ANGLE = 0.1  # degrees; smaller ones move no voxel of a head to its neighbour
ALONG_GRID = "along the voxel grid, {:.1f}° oblique"
IN_WORLD = "in the world: painting on oblique volumes is off"
PAINTING_OFF = (
    "Painting on oblique volumes is off in this view, because napari cannot edit through a "
    "rotation; Layers > Visualize > Show volumes along their voxel grid switches it on again."
)
NO_VOLUME = "There is no volume with anatomical axes: open a NIfTI file."
ELSEWHERE = (
    "{} and {} are at an angle of {:.1f}° and each shown along its own voxel grid, so they do not "
    "overlie each other here as in the world; Layers > Visualize > Show volumes in the world does "
    "that, with painting off."
)


class Volumes:
    """The volumes of a viewer that have a NIfTI header; use `watch_volumes`.

    A layer on the grid of such a volume gets its header, so that it is saved in the same place.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = ref(viewer)
        self._in_world = False
        self._letters = AnatomicalLetters(viewer)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._update)
        for layer in viewer.layers:
            self._add(layer)

    @property
    def in_world(self) -> bool:
        """Whether oblique volumes are shown in the world, where they cannot be painted on."""
        return self._in_world

    @in_world.setter
    def in_world(self, in_world: bool) -> None:
        self._in_world = in_world
        layers = self._layers()
        for layer in layers:
            self._follow_view(layer)
        if in_world and any(header_of(x).is_oblique for x in layers if isinstance(x, Labels)):
            show_info(PAINTING_OFF)
        self._update()

    def show_plane(self, axes: str) -> None:
        """Show the plane of the last two axes of "ZYX" in another order, the first one upwards."""
        viewer, layers = self._viewer(), self._layers()
        if viewer is None or not layers:
            show_info(NO_VOLUME)
            return
        dimensions = {a: i for i, a in _anatomical_axes(viewer, layers[-1]).items()}
        if set(axes) <= set(dimensions):
            planes = [dimensions[a] for a in axes]
            rest = [i for i in range(viewer.dims.ndim) if i not in planes]
            viewer.dims.ndisplay = 2
            viewer.dims.order = (*rest, *planes)
            viewer.reset_view()
            turn_head_up(viewer)

    def _layers(self) -> list[Layer]:
        viewer = self._viewer()
        return [x for x in (viewer.layers if viewer is not None else ()) if header_of(x)]

    def _on_inserted(self, event: Event) -> None:
        self._add(event.value)

    def _add(self, layer: Layer) -> None:
        others = [other for other in self._layers() if other is not layer]
        same = next((other for other in others if _on_same_grid(layer, other)), None)
        if header_of(layer) is None and same is not None:
            layer.metadata["nifti"] = same.metadata["nifti"]
        if header_of(layer) is None:
            return
        viewer = self._viewer()
        if viewer is not None and not others:
            _turn_head_up_once(viewer)
        layer.events.visible.connect(self._update)
        layer.events.editable.connect(self._on_editable)
        self._follow_view(layer)
        self._tell_elsewhere(layer, others)
        self._update()

    def _follow_view(self, layer: Layer) -> None:
        """Show a layer along its grid or in the world; its place stays the same."""
        header = header_of(layer)
        if header is None or not header.is_oblique:
            return
        if header.world_view != self._in_world:
            set_world_view(layer, self._in_world)
        if isinstance(layer, Labels):
            layer.editable = not self._in_world and not layer.multiscale

    def _on_editable(self, event: Event) -> None:
        """Keep painting off in the world: new pixels make a layer editable again."""
        layer = event.source
        header = header_of(layer)
        if self._in_world and header and header.is_oblique and layer.editable:
            layer.editable = False

    def _tell_elsewhere(self, layer: Layer, others: list[Layer]) -> None:
        """Say that a volume does not overlie another one as in the world."""
        for other in [] if self._in_world else others:
            angle = angle_between(header_of(layer).tilt, header_of(other).tilt)
            if angle > VISIBLE_ANGLE:
                show_warning(ELSEWHERE.format(layer.name, other.name, angle))
                return

    def _update(self) -> None:
        """Show the letters and the note for the visible volumes."""
        viewer = self._viewer()
        if viewer is None:
            return
        shown = [x for x in self._layers() if x.visible and header_of(x).orientation]
        axes = {k: a for x in shown for k, a in _anatomical_axes(viewer, x).items()}
        angle = max([angle_between(header_of(x).tilt, np.eye(4)) for x in shown], default=0.0)
        note = IN_WORLD if self._in_world else ALONG_GRID.format(angle)
        self._letters.show(axes, note if angle > VISIBLE_ANGLE else "")


_volumes: "WeakKeyDictionary[ViewerModel, Volumes]" = WeakKeyDictionary()


def watch_volumes(viewer: ViewerModel) -> Volumes:
    """The volumes of a viewer, watched from the first call on."""
    viewer = unwrapped(viewer)
    if viewer not in _volumes:
        _volumes[viewer] = Volumes(viewer)
    return _volumes[viewer]


def set_world_view(layer: Layer, world_view: bool) -> None:
    """Show the layer of an oblique volume in the world or along its grid, in the same place."""
    world = world_matrix(layer)
    header = replace(layer.metadata["nifti"], world_view=world_view)
    tilt = header.shown_to_world(layer.axis_labels, layer.ndim)
    inner = data_to_world(placement_of(layer) | {"affine": np.eye(layer.ndim + 1)}, layer.ndim)
    layer.metadata["nifti"] = header
    layer.affine = np.linalg.inv(tilt) @ world @ np.linalg.inv(inner)


def _on_same_grid(layer: Layer, other: Layer) -> bool:
    """Whether a layer of pixels has the shape and the transform of another one."""
    pixels = isinstance(layer, Image | Labels) and isinstance(other, Image | Labels)
    if not pixels or layer.ndim != other.ndim or layer.multiscale or other.multiscale:
        return False
    one, two = placement(layer), placement(other)
    same = all(np.array_equal(one[k], two[k]) for k in TRANSFORM)
    return same and layer.data.shape[: layer.ndim] == other.data.shape[: layer.ndim]


def _anatomical_axes(viewer: ViewerModel, layer: Layer) -> dict[int, str]:
    """The world axes among the viewer's dimensions."""
    axes = layer_axes(layer.axis_labels, layer.ndim, header_of(layer))
    first = viewer.dims.ndim - layer.ndim
    return {first + i: a for i, a in enumerate(axes) if a in "XYZ"}


def _turn_head_up_once(viewer: ViewerModel) -> None:
    """Turn the head up with the first volume, unless there are other images or a chosen view."""
    settings = get_settings().application
    default = (
        settings.depth_axis_orientation,
        settings.vertical_axis_orientation,
        settings.horizontal_axis_orientation,
    )
    alone = all(header_of(layer) for layer in viewer.layers)
    if alone and tuple(viewer.scene.camera.orientation) == default:
        turn_head_up(viewer)
