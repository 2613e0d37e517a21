"""Settings of the post-processing: smoothing, superpixels, clean-up."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Literal

from ._schema import Checked

Units = Literal["pixels", "world"]
Smoother = Literal["crf", "mrf", "superpixels"]
MAX_CLEAN = 10  # clean-ups of one class
SuperpixelMethod = Literal["slic", "watershed", "felzenszwalb", "quickshift"]


@dataclass(frozen=True)
class CRFConfig(Checked):
    """Fully connected CRF that smooths probabilities (Kraehenbuehl and Koltun 2011).

    Nearby pixels tend to get the same class, above all if their intensities are similar, so that
    boundaries move to edges of the image. The defaults are gentle. Photographs and scribbles need
    more: smoothness weight 3 and sigma 3, appearance weight 10 and sigma 20, intensity sigma 0.05.

    Parameters
    ----------
    iterations : int
        Mean-field iterations. More spreads further; after ten, little changes.
    smoothness_weight : float
        Weight of the smoothness term: nearby pixels agree whatever their intensity, which removes
        specks. 0 switches it off.
    smoothness_sigma : float
        Distance over which the smoothness term acts.
    appearance_weight : float
        Weight of the appearance term: nearby pixels of similar intensity agree, which follows image
        edges. 0 switches it off.
    appearance_sigma : float
        Distance over which the appearance term acts.
    intensity_sigma : float
        Intensity difference up to which pixels count as similar, as a fraction of the image's
        intensity range (1st to 99th percentile, per channel).
    units : str
        Unit of the two distances. "pixels": pixels of the finest axis (fewer along coarser axes).
        "world": units of the image's spacing.
    """

    iterations: Annotated[int, {"min": 1, "max": 100}] = 5
    smoothness_weight: Annotated[float, {"min": 0.0, "max": 1000.0, "step": 0.5}] = 1.0
    smoothness_sigma: Annotated[float, {"min": 1e-6, "max": 1e6, "step": 0.5}] = 1.0
    appearance_weight: Annotated[float, {"min": 0.0, "max": 1000.0, "step": 0.5}] = 1.0
    appearance_sigma: Annotated[float, {"min": 1e-6, "max": 1e6, "step": 1.0}] = 3.0
    intensity_sigma: Annotated[float, {"min": 1e-3, "max": 100.0, "step": 0.01}] = 0.1
    units: Units = "pixels"

    @property
    def uses_image(self) -> bool:
        """Whether the image matters."""
        return self.appearance_weight > 0


@dataclass(frozen=True)
class MRFConfig(Checked):
    """Markov random field on the pixel grid that smooths probabilities: fast, next neighbours only.

    Parameters
    ----------
    weight : float
        Pairwise (Potts) weight: how strongly neighbours agree. Surrounded by another class, a pixel
        keeps its own class only if that is exp(weight) times more likely: 20 times for 3.
    iterations : int
        Maximum number of iterations; it stops earlier when nothing changes.
    diagonals : bool
        Include diagonal neighbours: 8 in 2D and 26 in 3D, instead of 4 and 6. More distant
        neighbours have less weight.
    intensity_sigma : float or None
        Neighbours whose intensities differ by much more than this fraction of the image's range
        need not agree. None: the image is not used.
    method : str
        "mean-field": smooths probabilities. "icm": iterated conditional modes (Besag 1986), which
        only uses the current class of each neighbour; faster, but stops at a local optimum.
    """

    weight: Annotated[float, {"min": 0.0, "max": 1000.0, "step": 0.5}] = 3.0
    iterations: Annotated[int, {"min": 1, "max": 1000}] = 10
    diagonals: bool = True
    intensity_sigma: Annotated[float | None, {"min": 1e-3, "max": 100.0, "step": 0.01}] = None
    method: Literal["mean-field", "icm"] = "mean-field"

    @property
    def uses_image(self) -> bool:
        """Whether the image matters."""
        return self.intensity_sigma is not None


@dataclass(frozen=True)
class SuperpixelConfig(Checked):
    """How an image is divided into superpixels: small regions of similar intensity.

    Parameters
    ----------
    method : str
        "slic": compact, of similar size. "watershed": compact, follows image edges. 2D only:
        "felzenszwalb" (graph-based, sizes vary) and "quickshift" (mode seeking in colour and space,
        slow).
    size : float
        Typical width of a superpixel.
    compactness : float
        Lower follows intensities more closely; higher makes superpixels more compact, and those of
        "felzenszwalb" larger. An intensity difference of this fraction of the image's range counts
        as much as a distance of one superpixel width.
    units : str
        Unit of the size. "pixels": pixels of the finest axis (fewer along coarser axes). "world":
        units of the image's spacing.
    """

    method: SuperpixelMethod = "slic"
    size: Annotated[float, {"min": 1e-6, "max": 1e6, "step": 1.0}] = 12.0
    compactness: Annotated[float, {"min": 1e-4, "max": 1e4, "step": 0.01}] = 0.1
    units: Units = "pixels"
    uses_image = True


@dataclass(frozen=True)
class SoftLabelConfig(Checked):
    """How plain labels become class probabilities, which can be smoothed.

    Parameters
    ----------
    certainty : float
        Probability of the class that a pixel is labelled with; the other classes share the rest.
        With a lower value, smoothing changes more pixels.
    unlabelled : int or None
        Label value of unlabelled pixels, where all classes are equally likely. None: no such
        value.
    """

    certainty: Annotated[float, {"min": 0.01, "max": 1.0, "step": 0.05}] = 0.8
    unlabelled: Annotated[int | None, {"min": 0, "max": 2**31 - 1}] = None


@dataclass(frozen=True)
class CleanConfig(Checked):
    """Clean-up of the pixels of one class, in the order of the fields; sizes in world units.

    Pixels that lose the class get the next most likely class.

    Parameters
    ----------
    value : int
        Label value of the class.
    threshold : float or None
        Minimum probability: pixels of this class below it lose the class. None: no threshold.
    open : float
        Morphological opening: remove parts thinner than twice this radius.
    close : float
        Morphological closing: bridge gaps narrower than twice this radius.
    fill_holes : float
        Fill holes up to this area (volume in 3D).
    min_size : float
        Remove connected components smaller than this area (volume in 3D).
    largest : bool
        Keep only the largest connected component.
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
    """Refinement of probabilities before they become labels; stored in the model file.

    Parameters
    ----------
    method : str or None
        "crf", "mrf" or "superpixels" (every superpixel gets its most likely class). None: no
        smoothing.
    crf : CRFConfig
        Settings of method "crf".
    mrf : MRFConfig
        Settings of method "mrf".
    superpixels : SuperpixelConfig
        Settings of method "superpixels".
    clean : tuple of CleanConfig
        Clean-up afterwards, usually one entry per class, applied in this order.
    """

    method: Smoother | None = None
    crf: CRFConfig = field(default_factory=CRFConfig)
    mrf: MRFConfig = field(default_factory=MRFConfig)
    superpixels: SuperpixelConfig = field(default_factory=SuperpixelConfig)
    clean: tuple[CleanConfig, ...] = ()

    def __post_init__(self) -> None:
        """Check that no class is cleaned up endlessly."""
        super().__post_init__()
        for value, count in Counter(c.value for c in self.clean).items():
            if count > MAX_CLEAN:
                raise ValueError(
                    f"RefineConfig.clean has {count} entries of class {value}; give at most "
                    f"{MAX_CLEAN} of a class."
                )

    @property
    def smoother(self) -> CRFConfig | MRFConfig | SuperpixelConfig | None:
        """Settings of the chosen method."""
        return getattr(self, self.method) if self.method else None

    @property
    def uses_image(self) -> bool:
        """Whether the smoothing uses the image."""
        return self.smoother is not None and self.smoother.uses_image
