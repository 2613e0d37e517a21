"""Superpixels as a job."""

from collections.abc import Generator, Sequence

from napari_segkit.config import SuperpixelConfig
from napari_segkit.config._schema import to_dict
from napari_segkit.images.axes_image import as_image, full_resolution
from napari_segkit.images.geometry import apart, warn_if_apart
from napari_segkit.images.types import ImageSource
from napari_segkit.label_result import LabelResult
from napari_segkit.steps import Job, Step
from napari_segkit.versions import versions


def superpixel_job(
    image: ImageSource,
    config: SuperpixelConfig | None = None,
    *,
    mask: ImageSource | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
) -> Job[LabelResult]:
    """Compute superpixels tile by tile, with the arguments of `napari_segkit.superpixels`."""
    name = getattr(image, "name", "image")
    steps = _steps(image, config or SuperpixelConfig(), mask, axes, spacing)
    return Job(f"Superpixels of {name}", steps)


def _steps(
    image: ImageSource,
    config: SuperpixelConfig,
    mask: ImageSource | None,
    axes: str | None,
    spacing: Sequence[float] | None,
) -> Generator[Step, None, LabelResult]:
    from napari_segkit.refinement.superpixels.generate import superpixel_tiles

    inside = None if mask is None else full_resolution(mask)
    shape = None if inside is None else inside.shape
    axes_image = as_image(image, axes, spacing, labels_shape=shape)
    warn_if_apart(apart(image, mask, axes_image.axes))
    labels = yield from superpixel_tiles(axes_image, config, mask=inside)
    provenance = {
        "image": {
            "name": axes_image.name,
            "axes": axes_image.axes,
            "shape": list(axes_image.shape),
        },
        "mask": getattr(mask, "name", None),
        "superpixels": to_dict(config),
        "count": int(labels.max()),
        "versions": versions(),
    }
    return LabelResult(labels, axes_image.label_axes, provenance=provenance)
