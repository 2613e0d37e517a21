"""Check images and labels and prepare a training."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.axes_image import AxesImage, as_image, full_resolution
from napari_segkit.images.training_pairs import pair_up, reorient_to_first, training_labels
from napari_segkit.instances.label_ids import training_objects
from napari_segkit.models import choose_ndim, kind_of

if TYPE_CHECKING:
    from .trainer import Trainer


def prepare_training(
    spec: ModelSpec,
    images: Any,
    labels: Any,
    config: TrainConfig,
    device: str,
    *,
    axes: str | None,
    spacing: Sequence[float] | None,
    object_classes: Any,
    regions: Any,
) -> "Trainer":
    """Check images and labels; return a trainer ready to run. Arguments as in `Segmenter.fit`."""
    pairs = pair_up(images, labels)
    label_arrays = [array for _, array in pairs]
    options = _as_lists(
        len(pairs),
        isinstance(labels, list | tuple),
        {"object_classes": object_classes, "regions": regions},
    )
    training_images = [
        as_image(image, axes, spacing, labels_shape=full_resolution(array).shape)
        for image, array in pairs
    ]
    values, classes, class_of = _read_labels(spec, training_images, label_arrays, config, options)
    training_images, values = reorient_to_first(training_images, values)

    from napari_segkit.devices import choose

    from . import trainer_of

    trainer = trainer_of(spec)
    return trainer(spec, training_images, values, classes, config, choose(device), class_of)


def _as_lists(count: int, is_list: bool, given: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the options that are not None, each as a list with one entry per image."""
    options = {n: v if is_list else [v] for n, v in given.items() if v is not None}
    for name, values in options.items():
        if not isinstance(values, list | tuple):
            raise ValueError(
                f"{name} is not a list, but there are {count} labels: give a list with one entry "
                "for each of them; an entry may be None."
            )
        if len(values) != count:
            raise ValueError(
                f"{name} holds {len(values)} entries for {count} labels: give one for each of "
                "them; an entry may be None."
            )
    return {name: list(values) for name, values in options.items()}


def _read_labels(
    spec: ModelSpec,
    images: list[AxesImage],
    label_arrays: list[Any],
    config: TrainConfig,
    options: dict[str, list[Any]],
) -> tuple[Any, Any, Any]:
    """Return label values or ids, the classes, and (for ids) the class position of each id."""
    if kind_of(spec) != "semantic":
        ndim = min(choose_ndim(spec, image.axes) for image in images)
        objects = training_objects(images, label_arrays, config, ndim=ndim, **options)
        return objects.ids, objects.classes, objects.class_of
    if options:
        raise ValueError(
            f"{' and '.join(options)} can be used only with objects, but {spec.name} is trained "
            "on classes: leave them out, or set objects in the ModelSpec."
        )
    return *training_labels(images, label_arrays, config), None
