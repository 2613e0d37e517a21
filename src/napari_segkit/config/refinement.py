"""How probabilities are smoothed and labels cleaned up."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ._schema import Checked

Units = Literal["pixels", "world"]
Smoother = Literal["crf", "mrf", "superpixels"]
SuperpixelMethod = Literal["slic", "watershed", "felzenszwalb", "quickshift"]


@dataclass(frozen=True)
class CRFConfig(Checked):
    """How a fully connected CRF smooths probabilities (Kraehenbuehl and Koltun 2011).

    Every pixel is drawn to the class that pixels near it have, and most of all those that look
    like it: edges of the result move to edges of the image. As it is set, it changes little and
    rarely does harm; photographs and scribbles want more: a weight of 3 and a sigma of 3 for
    smoothness, 10 and 20 for appearance, and 0.05 for intensities.

    Parameters
    ----------
    iterations : int
        Rounds of mean field. More spreads further; after ten little changes.
    smoothness_weight : float
        How strongly near pixels agree, whatever they look like: removes specks. 0 leaves it out.
    smoothness_sigma : float
        How far that reaches.
    appearance_weight : float
        How strongly pixels of like intensity agree: follows the image's edges. 0 leaves it out.
    appearance_sigma : float
        How far that reaches.
    intensity_sigma : float
        How different two pixels may look and still count as alike, as a part of the image's
        range (from its 1st to its 99th percentile, each channel for itself).
    units : str
        What the two distances are in. "pixels": of the finest axis, along coarser axes fewer.
        "world": in the units of the image's spacing.
    """

    iterations: Annotated[int, {"min": 1, "max": 100}] = 5
    smoothness_weight: Annotated[float, {"min": 0.0, "max": 1000.0, "step": 0.5}] = 1.0
    smoothness_sigma: Annotated[float, {"min": 1e-6, "max": 1e6, "step": 0.5}] = 1.0
    appearance_weight: Annotated[float, {"min": 0.0, "max": 1000.0, "step": 0.5}] = 1.0
    appearance_sigma: Annotated[float, {"min": 1e-6, "max": 1e6, "step": 1.0}] = 3.0
    intensity_sigma: Annotated[float, {"min": 1e-3, "max": 100.0, "step": 0.01}] = 0.1
    units: Units = "pixels"


@dataclass(frozen=True)
class MRFConfig(Checked):
    """How a Markov random field on the grid smooths probabilities: quick, next neighbours only.

    Parameters
    ----------
    weight : float
        How strongly neighbours agree: where all of them have another class, a pixel keeps its own
        if that is e to the power of this number times likelier, 20 times for 3.
    iterations : int
        Rounds at most; it ends before where nothing changes.
    diagonals : bool
        Neighbours across corners count as well: 8 in an image and 26 in a volume, not 4 and 6.
        The farther a neighbour is away, the less it counts.
    intensity_sigma : float or None
        Neighbours that differ by much more than this part of the image's range need not agree.
        None: all agree alike, and the image does not count.
    method : str
        "mean-field": probabilities are smoothed. "icm": iterated conditional modes (Besag 1986),
        where neighbours see only which class each pixel has decided for; sooner done and stuck.
    """

    weight: Annotated[float, {"min": 0.0, "max": 1000.0, "step": 0.5}] = 3.0
    iterations: Annotated[int, {"min": 1, "max": 1000}] = 10
    diagonals: bool = True
    intensity_sigma: Annotated[float | None, {"min": 1e-3, "max": 100.0, "step": 0.01}] = None
    method: Literal["mean-field", "icm"] = "mean-field"


@dataclass(frozen=True)
class SuperpixelConfig(Checked):
    """How an image is cut into superpixels: small regions of like intensity.

    Parameters
    ----------
    method : str
        "slic": compact, of even size. "watershed": from the image's edges, compact. In 2D only:
        "felzenszwalb" (a graph, sizes vary) and "quickshift" (modes of colour, slow).
    size : float
        How wide a superpixel typically is.
    compactness : float
        Less follows intensities more closely, more makes superpixels squarer, and those of
        "felzenszwalb" larger: the difference, as a part of the image's range, that counts as much
        as the width of a superpixel.
    units : str
        What the size is in. "pixels": of the finest axis, along coarser axes fewer. "world": in
        the units of the image's spacing.
    """

    method: SuperpixelMethod = "slic"
    size: Annotated[float, {"min": 1e-6, "max": 1e6, "step": 1.0}] = 12.0
    compactness: Annotated[float, {"min": 1e-4, "max": 1e4, "step": 0.01}] = 0.1
    units: Units = "pixels"


@dataclass(frozen=True)
class CleanConfig(Checked):
    """What is tidied in the pixels of one class, in this order; sizes in world units.

    Pixels that lose the class take the next likeliest there.

    Parameters
    ----------
    value : int
        The class, by its label value.
    threshold : float or None
        Pixels that are of this class with a lower probability lose it. None: the likeliest class
        has the pixel.
    open : float
        Cut off what is thinner than twice this radius.
    close : float
        Bridge gaps that are narrower than twice this radius.
    fill_holes : float
        Fill holes up to this area, or volume in 3D.
    min_size : float
        Drop pieces below this area, or volume in 3D.
    largest : bool
        Keep the largest piece only.
    """

    value: Annotated[int, {"min": 0, "max": 2**31 - 1}] = 1
    threshold: Annotated[float | None, {"min": 0.0, "max": 1.0, "step": 0.05}] = None
    open: Annotated[float, {"min": 0.0, "max": 1e6, "step": 1.0}] = 0.0
    close: Annotated[float, {"min": 0.0, "max": 1e6, "step": 1.0}] = 0.0
    fill_holes: Annotated[float, {"min": 0.0, "max": 1e12, "step": 1.0}] = 0.0
    min_size: Annotated[float, {"min": 0.0, "max": 1e12, "step": 1.0}] = 0.0
    largest: bool = False


@dataclass(frozen=True)
class RefineConfig(Checked):
    """What is done to probabilities on the way to labels; a model keeps it in its file.

    Parameters
    ----------
    method : str or None
        "crf", "mrf" or "superpixels" (each takes the class that is likeliest over it). None: the
        probabilities stay as they are.
    crf : CRFConfig
        Counts with method "crf".
    mrf : MRFConfig
        Counts with method "mrf".
    superpixels : SuperpixelConfig
        Counts with method "superpixels".
    clean : tuple of CleanConfig
        Classes that are tidied afterwards, one after the other.
    """

    method: Smoother | None = None
    crf: CRFConfig = field(default_factory=CRFConfig)
    mrf: MRFConfig = field(default_factory=MRFConfig)
    superpixels: SuperpixelConfig = field(default_factory=SuperpixelConfig)
    clean: tuple[CleanConfig, ...] = ()

    @property
    def smoother(self) -> CRFConfig | MRFConfig | SuperpixelConfig | None:
        """The configuration of the chosen method."""
        return getattr(self, self.method) if self.method else None
