"""One reader for each kind of file; what else there is, napari's installed readers open."""

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .tiff import Spacing, read_tiff

if TYPE_CHECKING:
    from npe2 import PluginManager
    from PIL.Image import Image as Picture

TIFF = (".tif", ".tiff")
PICTURES = (".png", ".jpg", ".jpeg")
KNOWN = (*TIFF, *PICTURES, ".npy")

Source = tuple[Any, str | None, Spacing | None]


def read_source(path: Path, *, labels: bool) -> Source:
    """Read a file of any kind.

    Parameters
    ----------
    path : Path
        The file.
    labels : bool
        It holds label values: a palette's indices count, not its colours.

    Returns
    -------
    tuple
        An array, or what looks like a napari layer; its axes and its spacing where the file
        names them.

    Raises
    ------
    ValueError
        If there is no such file or it cannot be read.
    """
    if not path.exists():
        raise ValueError(f"There is no file {path}.")
    suffix = path.suffix.lower()
    try:
        if suffix in TIFF:
            return read_tiff(path)
        if suffix in PICTURES:
            return _read_picture(path, labels=labels)
        if suffix == ".npy":
            return np.load(path, mmap_mode=None if labels else "r", allow_pickle=False), None, None
        return _read_with_plugins(path, labels=labels)
    except Exception as error:  # readers of all sorts raise errors of all sorts
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ValueError(f"{path} cannot be read: {reason}.") from error


def can_read(path: Path) -> bool:
    """Say whether this package or a reader installed in napari takes such a file."""
    if path.suffix.lower() in KNOWN:
        return path.is_file()
    return any(_plugins().iter_compatible_readers(str(path)))


def _read_picture(path: Path, *, labels: bool) -> Source:
    from PIL import Image

    with Image.open(path) as picture:
        pixels = _indices(picture) if labels else _colours(picture)
    return pixels, "YXC"[: pixels.ndim], None


def _colours(picture: "Picture") -> NDArray[Any]:
    """Grey or RGB, without a palette or an alpha channel."""
    if picture.mode in ("1", "LA", "La"):
        picture = picture.convert("L")
    elif picture.mode not in ("L", "RGB", "I", "F") and not picture.mode.startswith("I;16"):
        picture = picture.convert("RGB")
    return np.array(picture)


def _indices(picture: "Picture") -> NDArray[Any]:
    """The stored numbers: a palette's indices, 0 and 1 of a bilevel picture, no alpha channel."""
    pixels = np.array(picture)
    if picture.mode == "1":
        return pixels.astype(np.uint8)
    return pixels[..., : 3 if pixels.shape[-1] > 2 else 1] if pixels.ndim == 3 else pixels


def _read_with_plugins(path: Path, *, labels: bool) -> Source:
    from npe2 import io_utils

    if not can_read(path):
        raise ValueError(
            "no reader for such files is installed; use PNG, JPEG, TIFF or NPY, or install a "
            "napari plugin that reads them"
        )
    kinds = ("labels", "image") if labels else ("image",)
    layers = [(*data, {}, "image")[:3] for data in io_utils.read([str(path)], stack=False)]
    found = [entry for kind in kinds for entry in layers if entry[2] == kind]
    if not found:
        raise ValueError(f"it holds no {kinds[0]} layer")
    return _as_layer(*found[0][:2])


def _as_layer(data: Any, meta: dict[str, Any]) -> Source:
    """A reader's layer data as what `as_image` takes for a layer, and its axes."""
    multiscale = bool(meta.get("multiscale", isinstance(data, list | tuple)))
    ndim = (data[0] if multiscale else data).ndim
    layer = SimpleNamespace(
        data=data,
        multiscale=multiscale,
        rgb=bool(meta.get("rgb")),
        axis_labels=meta.get("axis_labels") or (),
        scale=meta.get("scale") or (1.0,) * ndim,
        ndim=ndim,
        metadata={},
        name="image",
    )
    channel = meta.get("channel_axis")
    if channel is None:
        return layer, None, None
    axes = "TZYX"[1 - ndim :]
    at = channel % ndim
    return layer, axes[:at] + "C" + axes[at:], None


def _plugins() -> "PluginManager":
    from npe2 import PluginManager

    manager = PluginManager.instance()
    if not any(manager.iter_manifests()):  # napari has discovered them already
        manager.discover()
    return manager
