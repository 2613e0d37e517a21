"""Whether an image suits a trained model."""

from .axes_image import AxesImage


def require_model_input(image: AxesImage, channels: int, ndim: int) -> None:
    """ValueError unless an image has the channels of a model, and Z for a model of volumes."""
    if image.channels != channels:
        raise ValueError(
            f"The model takes {_count(channels)}, but {image.name} has {_count(image.channels)} "
            f"(axes {image.axes}, shape {image.shape}): choose another image, or specify its axes."
        )
    if ndim == 3 and "Z" not in image.axes:
        raise ValueError(
            f"{image.name} has no Z (axes {image.axes}, shape {image.shape}), but the model was "
            "trained on volumes: choose a volume, or specify its axes."
        )


def _count(channels: int) -> str:
    return f"{channels} channel" + "s" * (channels != 1)
