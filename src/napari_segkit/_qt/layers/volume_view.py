"""Views of volumes: the three planes with the head up, in the world or along the voxel grid."""

from napari.viewer import Viewer

from .volumes import watch_volumes


def show_axial(viewer: Viewer) -> None:
    """Slice across the body, the front up."""
    watch_volumes(viewer).show_plane("ZYX")


def show_coronal(viewer: Viewer) -> None:
    """Slice from the front, the head up."""
    watch_volumes(viewer).show_plane("YZX")


def show_sagittal(viewer: Viewer) -> None:
    """Slice from the side, the head up."""
    watch_volumes(viewer).show_plane("XZY")


def show_in_world(viewer: Viewer) -> None:
    """Show oblique volumes as they lie in the world, with painting off."""
    watch_volumes(viewer).in_world = True


def show_along_grid(viewer: Viewer) -> None:
    """Show oblique volumes along their voxel grid, where they can be painted on."""
    watch_volumes(viewer).in_world = False
