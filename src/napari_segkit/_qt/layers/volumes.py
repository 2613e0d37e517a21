"""Volumes with a NIfTI header in a viewer: one header for all layers of a grid, and their view."""

from dataclasses import replace
from typing import TypeAlias
from weakref import WeakKeyDictionary, ref

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.events import Event
from napari.utils.notifications import show_info, show_warning

from napari_segkit.images.placement import data_to_world, placement_of, world_matrix
from napari_segkit.images.types import AnyArray
from napari_segkit.io.nifti.header import NiftiHeader, angle_between, layer_axes

from .anatomical_letters import AnatomicalLetters
from .head_up import HeadUp, has_default_view, turn_head_up
from .snapshots import header_of
from .unwrap_proxy import unwrapped

Volume: TypeAlias = tuple[Layer, NiftiHeader]
VISIBLE_ANGLE = 0.1  # degrees; smaller ones move no voxel of a head to its neighbour
ALONG_GRID = "along the voxel grid,\n{:.1f}° oblique"  # short lines: a letter is beside them
IN_WORLD = "in the world,\npainting off"
PAINTING_OFF = (
    "Painting on oblique volumes is off in this view, because napari cannot edit through a "
    "rotation; Layers > Visualize > Show volumes along their voxel grid switches it on again."
)
NO_VOLUME = "No visible layer has anatomical axes: open a volume from a NIfTI file."
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
        self._head_up = HeadUp(viewer, self._axes)
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
        volumes = self._volumes()
        for layer, _ in volumes:
            self._follow_view(layer)
        if in_world and any(header.is_oblique for _, header in volumes):
            show_info(PAINTING_OFF)
        self._update()

    def show_plane(self, axes: str) -> None:
        """Show the plane of the last two axes of "ZYX" in another order, the first one upwards."""
        viewer, dimensions = self._viewer(), {a: i for i, a in self._axes().items()}
        if viewer is None or not set(axes) <= set(dimensions):
            show_info(NO_VOLUME)
            return
        planes = [dimensions[a] for a in axes]
        rest = [i for i in range(viewer.dims.ndim) if i not in planes]
        viewer.dims.ndisplay = 2
        viewer.dims.order = (*rest, *planes)
        viewer.reset_view()
        turn_head_up(viewer)

    def _volumes(self) -> list[Volume]:
        viewer = self._viewer()
        return [] if viewer is None else [(x, h) for x in viewer.layers if (h := header_of(x))]

    def _on_inserted(self, event: Event) -> None:
        self._add(event.value)

    def _add(self, layer: Layer) -> None:
        viewer, others = self._viewer(), [v for v in self._volumes() if v[0] is not layer]
        if header_of(layer) is None:
            layer.metadata.update(_shared_header(layer, others))
        header = header_of(layer)
        if viewer is None or header is None:
            return
        if not others and has_default_view(viewer) and all(map(header_of, viewer.layers)):
            turn_head_up(viewer)
        layer.events.visible.connect(self._update)
        layer.events.editable.connect(self._on_editable)
        self._follow_view(layer)
        self._tell_elsewhere(layer, header, others)
        self._update()

    def _follow_view(self, layer: Layer) -> None:
        """Show a layer along its grid or in the world; its place stays the same."""
        header = header_of(layer)
        if header is None or not header.is_oblique:
            return
        if header.world_view != self._in_world:
            set_world_view(layer, header, self._in_world)
        if isinstance(layer, Labels):
            layer.editable = not self._in_world and not layer.multiscale

    def _on_editable(self, event: Event) -> None:
        """Keep painting off in the world: new pixels make a layer editable again."""
        layer = event.source
        header = header_of(layer)
        if self._in_world and isinstance(layer, Labels) and header and header.is_oblique:
            layer.editable = False

    def _tell_elsewhere(self, layer: Layer, header: NiftiHeader, others: list[Volume]) -> None:
        """Say that a volume does not overlie another one as in the world."""
        for other, its_header in [] if self._in_world else others:
            angle = angle_between(header.tilt, its_header.tilt)
            if angle > VISIBLE_ANGLE and _has_pixels(layer) and _has_pixels(other):
                show_warning(ELSEWHERE.format(layer.name, other.name, angle))
                return

    def _update(self) -> None:
        """Show the letters and the note for the visible volumes."""
        angles = [angle_between(h.tilt, np.eye(4)) for _, h in self._anatomical_volumes()]
        angle = max(angles, default=0.0)
        note = IN_WORLD if self._in_world else ALONG_GRID.format(angle)
        self._letters.show(self._axes(), note if angle > VISIBLE_ANGLE else "")

    def _anatomical_volumes(self) -> list[Volume]:
        return [(x, h) for x, h in self._volumes() if x.visible and h.orientation]

    def _axes(self) -> dict[int, str]:
        """The anatomical axes among the viewer's dimensions."""
        viewer = self._viewer()
        if viewer is None:
            return {}
        return {
            viewer.dims.ndim - layer.ndim + i: axis
            for layer, header in self._anatomical_volumes()
            for i, axis in enumerate(layer_axes(layer.axis_labels, layer.ndim, header))
            if axis in "XYZ"
        }


_volumes: "WeakKeyDictionary[ViewerModel, Volumes]" = WeakKeyDictionary()


def watch_volumes(viewer: ViewerModel) -> Volumes:
    """The volumes of a viewer, watched from the first call on."""
    viewer = unwrapped(viewer)
    if viewer not in _volumes:
        _volumes[viewer] = Volumes(viewer)
    return _volumes[viewer]


def set_world_view(layer: Layer, header: NiftiHeader, world_view: bool) -> None:
    """Show the layer of an oblique volume in the world or along its grid, in the same place."""
    world = world_matrix(layer)
    layer.metadata["nifti"] = header = replace(header, world_view=world_view)
    tilt = header.shown_to_world(layer.axis_labels, layer.ndim)
    inner = np.linalg.inv(layer.affine.affine_matrix) @ _shown(layer)
    layer.affine = np.linalg.inv(tilt) @ world @ np.linalg.inv(inner)


def _shared_header(layer: Layer, others: list[Volume]) -> dict[str, NiftiHeader]:
    """Header of the volume whose grid a layer has, or along whose grid shapes are drawn."""
    if _has_pixels(layer):
        same = [header for other, header in others if _on_same_grid(layer, other)]
    else:
        same = [h for other, h in others if h.is_oblique and other.ndim == layer.ndim]
    return {"nifti": same[0]} if same else {}


def _on_same_grid(layer: Layer, other: Layer) -> bool:
    """Whether a layer of pixels has the shape and the transform of another one."""
    if not _has_pixels(other) or layer.ndim != other.ndim or layer.multiscale or other.multiscale:
        return False
    same_place = np.array_equal(_shown(layer), _shown(other))
    return same_place and layer.data.shape[: layer.ndim] == other.data.shape[: layer.ndim]


def _has_pixels(layer: Layer) -> bool:
    return isinstance(layer, Image | Labels)


def _shown(layer: Layer) -> AnyArray:
    """Homogeneous matrix from indices to where they are shown."""
    return data_to_world(placement_of(layer), layer.ndim)
