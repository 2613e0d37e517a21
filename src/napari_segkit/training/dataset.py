"""From images and labels as they come to a training that is ready to begin."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.axes_image import AxesImage, as_image, full_resolution
from napari_segkit.images.training_pairs import in_one_orientation, pair_up, training_labels
from napari_segkit.instances.label_ids import training_objects
from napari_segkit.models import choose_ndim, kind_of

if TYPE_CHECKING:
    from .trainer import Trainer


def begin(
    spec: ModelSpec,
    images: Any,
    labels: Any,
    config: TrainConfig,
    device: str,
    *,
    axes: str | None,
    spacing: Sequence[float] | None,
    **objects: Any,
) -> "Trainer":
    """Check what is to be learned, and prepare its training.

    Parameters
    ----------
    spec : ModelSpec
        The model, its encoder named.
    images, labels, config, axes, spacing
        As in `Segmenter.fit`.
    device : str
        Where it runs, as in `Segmenter`.
    **objects
        `object_classes` and `regions`, as in `Segmenter.fit`.

    Raises
    ------
    ValueError
        If the labels cannot be used.
    """
    pairs = pair_up(images, labels)
    painted = [p for _, p in pairs]
    more = _listed(len(pairs), isinstance(labels, list | tuple), objects)
    named = [as_image(i, axes, spacing, labels_shape=full_resolution(p).shape) for i, p in pairs]
    values, classes, class_of = _learnable(spec, named, painted, config, more)
    named, values = in_one_orientation(named, values)

    from napari_segkit.devices import choose

    from . import trainer_of

    return trainer_of(spec)(spec, named, values, classes, config, choose(device), class_of)


def _listed(count: int, several: bool, given: dict[str, Any]) -> dict[str, list[Any]]:
    """What was given, as lists with an entry for each of the labels."""
    more = {n: v if several else [v] for n, v in given.items() if v is not None}
    for name, values in more.items():
        if not isinstance(values, list | tuple):
            raise ValueError(
                f"{name} is one for a list of {count} labels: give a list with one for each of "
                "them, None where there is nothing to say."
            )
        if len(values) != count:
            raise ValueError(
                f"{name} holds {len(values)} entries for {count} labels: give one for each of "
                "them, None where there is nothing to say."
            )
    return {name: list(values) for name, values in more.items()}


def _learnable(
    spec: ModelSpec, images: list[AxesImage], painted: list[Any], config: TrainConfig, more: Any
) -> tuple[Any, Any, Any]:
    """Label values or ids, the classes, and the class of each id where they are ids."""
    if kind_of(spec) != "semantic":
        ndim = min(choose_ndim(spec, image.axes) for image in images)
        found = training_objects(images, painted, config, ndim=ndim, **more)
        return found.ids, found.classes, found.class_of
    if more:
        raise ValueError(
            f"{' and '.join(more)} are for objects, and {spec.name} is to learn classes only: "
            "leave them out, or set objects in the ModelSpec."
        )
    return *training_labels(images, painted, config), None
