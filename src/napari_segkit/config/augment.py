"""Settings of the augmentation: random changes of the patches that a network is trained on."""

from dataclasses import dataclass
from typing import Annotated, Literal

from ._schema import Checked

Upright = Literal["auto", "yes", "no"]


@dataclass(frozen=True)
class AugmentConfig(Checked):
    """Random changes of the training patches, drawn anew for each patch; 0 switches one off.

    Labels follow their image. Rotation, scale and elastic deformation move pixels along the axes
    of the finest spacing only, never across the thick slices of a volume, and what comes into view
    from beyond the image is mirrored.

    Parameters
    ----------
    augment : bool
        Also train on changed copies of the patches. Off: none of the changes below.
    horizontal_flip : bool
        Mirror half of the patches left to right.
    upright : str
        Whether images have an up and a down, as photographs have: "yes" leaves out vertical flips
        and quarter turns. "auto": images with red, green and blue channels have. "no": none has.
    vertical_flip : bool
        Mirror half of the patches upside down.
    depth_flip : bool
        Reverse the order of the slices of half of the volumes.
    quarter_turns : bool
        Rotate by 0, 90, 180 or 270 degrees in the plane of the slices.
    rotation : float
        Rotate half of the patches by up to this many degrees in either direction.
    scale : float
        Magnify or shrink half of the patches by up to this fraction: 0.25 is up to 1.25 times
        larger or smaller.
    elastic : float
        Deform half of the patches smoothly; no pixel moves by more than this many pixels along
        an axis.
    brightness : float
        Add up to this fraction of the intensity range, or subtract it.
    contrast : float
        Multiply intensities by a factor: 0.25 is up to 1.25 times more or less.
    gamma : float
        Brighten or darken the middle of the intensity range of half of the patches, by a power:
        0.5 is up to 1.5, or 1 / 1.5.
    noise : float
        Add Gaussian noise to half of the patches, with a standard deviation of up to this fraction
        of the intensity range.
    blur : float
        Blur half of the patches by a Gaussian with a sigma of up to this many pixels.
    channel_drop : float
        Chance that one channel of a patch is empty, where the image has several.
    bias_field : float
        Brighten and darken half of the patches smoothly from place to place, as the coils of an MRI
        scanner do; the largest coefficient of the field's polynomials.
    """

    augment: bool = True
    upright: Upright = "auto"
    horizontal_flip: bool = True
    vertical_flip: bool = True
    depth_flip: bool = True
    quarter_turns: bool = True
    rotation: Annotated[float, {"min": 0.0, "max": 180.0, "step": 5.0}] = 0.0
    scale: Annotated[float, {"min": 0.0, "max": 1.0, "step": 0.05}] = 0.0
    elastic: Annotated[float, {"min": 0.0, "max": 24.0, "step": 1.0}] = 0.0
    brightness: Annotated[float, {"min": 0.0, "max": 1.0, "step": 0.05}] = 0.1
    contrast: Annotated[float, {"min": 0.0, "max": 4.0, "step": 0.05}] = 0.25
    gamma: Annotated[float, {"min": 0.0, "max": 4.0, "step": 0.1}] = 0.0
    noise: Annotated[float, {"min": 0.0, "max": 1.0, "step": 0.01}] = 0.0
    blur: Annotated[float, {"min": 0.0, "max": 10.0, "step": 0.5}] = 0.0
    channel_drop: Annotated[float, {"min": 0.0, "max": 1.0, "step": 0.05}] = 0.0
    bias_field: Annotated[float, {"min": 0.0, "max": 1.0, "step": 0.05}] = 0.0
