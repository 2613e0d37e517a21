"""Whether an image suits a trained model."""

from .axes_image import AxesImage


def require_model_input(image: AxesImage, channels: int, ndim: int, slices: int = 1) -> None:
    """ValueError unless an image has the channels of a model, and Z if it needs that.

    A model of volumes does, and one that sees several `slices`.
    """
    if image.channels != channels:
        raise ValueError(
            f"The model takes {channels_text(channels)}, but {image.name} has "
            f"{channels_text(image.channels)} (axes {image.axes}, shape {image.shape}): choose "
            "another image, or specify its axes."
        )
    if ndim == 3 and "Z" not in image.axes:
        raise ValueError(
            f"{image.name} has no Z (axes {image.axes}, shape {image.shape}), but the model was "
            "trained on volumes: choose a volume, or specify its axes."
        )
    if slices > 1 and "Z" not in image.axes:
        raise ValueError(
            f"{image.name} has no Z (axes {image.axes}, shape {image.shape}), but the model sees "
            f"{slices} slices at once: choose a volume, or specify its axes."
        )


def channels_text(channels: int) -> str:
    """A number of channels in words."""
    return f"{channels} channel" + "s" * (channels != 1)
