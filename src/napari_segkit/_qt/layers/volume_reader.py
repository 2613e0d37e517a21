"""Opening of volumes in napari: their layers, and what the viewer does with volumes."""

from collections.abc import Sequence

from napari import current_viewer

from napari_segkit.data import samples
from napari_segkit.images.types import LayerData
from napari_segkit.io.filenames import AnyPath
from napari_segkit.io.nifti import layers as nifti

from .volumes import watch_volumes


def get_reader(path: AnyPath | Sequence[AnyPath]) -> nifti.Reader | None:
    """Reader for napari of volumes; None if one of the paths is not one."""
    read = nifti.get_reader(path)
    return None if read is None else lambda path: _watched(read(path))


def mri() -> list[LayerData]:
    """The sample `napari_segkit.data.samples.mri`, for File > Open Sample."""
    return _watched(samples.mri())


def _watched(layers: list[LayerData]) -> list[LayerData]:
    viewer = current_viewer()
    if viewer is not None:
        watch_volumes(viewer)
    return layers
