"""The pixel classifier: fixed features of each pixel, and a small classifier that learns.

The classifier is a kernel machine with random features (Rahimi and Recht 2008): cosines of random
projections of the standardised features, and the features themselves, under a softmax. It was
chosen by measurement (``benchmarks/bench_pixels.py``): on scribbles it labels better than a random
forest of 100 trees or small networks trained by gradients, and learns in tenths of a second.

In volumes each cosine is of one feature, so that the logits are a sum of one curve for each; a
feature that sees far counts less, since a few strokes hold few places; and mean and spread count
all classes alike, else a large background sets them and the rest is lost beyond `FAR`. Over six
trials on slabs of an MRI (strokes that the benchmark does not use) counting alike raised the IoU
from 0.79 to 0.85 with 0.25 % of the voxels labelled and from 0.88 to 0.91 with 2.5 %; the forest
has 0.73 and 0.87. In plane images neither fine features nor counting alike made a difference
beyond that between strokes, so there they are off.
"""

from collections.abc import Sequence
from math import lcm, pi

import torch
from torch import Tensor, nn

from napari_segkit.config import ModelSpec
from napari_segkit.models import Inputs

from . import filters
from .feature_cache import CACHE, key_of

DIRECTIONS = {2: 128, 3: 256}  # random projections, by spatial dimensions
FINE = {2: 0.0, 3: 1.5}  # the power of its reach by which a feature counts less in them
SHARP = 5.0  # how fast the cosines of volumes turn
FAR = 3.0  # standard deviations; what lies beyond counts as this far
PLAIN = 0.1  # how much the features themselves count beside their cosines
FADE = {2: 0.0, 3: 1.0}  # the power of its reach by which a feature itself counts less
WINDOW = 2048  # raw numbers seen at a pixel: a training holds a hundred thousand times as many
CHUNK = 16384  # pixels classified at once


def build(spec: ModelSpec, inputs: Inputs) -> nn.Module:
    """The pixel classifier, untrained.

    Parameters
    ----------
    spec : ModelSpec
        Its features, and the encoder whose frozen features are seen as well ("filters": none).
    inputs : Inputs
        Channels, classes and spacing.

    Raises
    ------
    ValueError
        If it would see nothing, the window has no centre or holds too many numbers, or the encoder
        gives no features.
    """
    config = spec.features
    numbers = inputs.channels * config.window**inputs.ndim
    if numbers > WINDOW:
        largest = int((WINDOW / inputs.channels) ** (1 / inputs.ndim) - 1) // 2 * 2 + 1
        raise ValueError(
            f"FeatureConfig.window is {config.window}, which is {numbers} numbers a pixel in "
            f"{inputs.ndim}D with {inputs.channels} channel(s); give at most {largest}, so that "
            "memory holds them."
        )
    if config.window and config.window % 2 == 0:
        raise ValueError(
            f"FeatureConfig.window is {config.window}; give an odd number, so that a pixel lies in "
            "its centre, or 0 for no window."
        )
    if not config.window and not (config.intensity or config.edges or config.texture):
        raise ValueError(
            "FeatureConfig has intensity, edges, texture and window all switched off, so the pixel "
            "classifier sees nothing: switch one on."
        )
    return PixelClassifier(spec, inputs)


def stride(spec: ModelSpec, spacing: Sequence[float]) -> tuple[int, ...]:
    """What the edges of tiles are multiples of: then every tile classifies the same pixels.

    Parameters
    ----------
    spec : ModelSpec
        Its stride, and whether there is an encoder.
    spacing : sequence of float
        World units between pixels along each spatial axis; coarse ones have a smaller stride.
    """
    steps = _steps(spec, spacing)
    if not _has_encoder(spec):
        return steps
    from . import encoder_features

    return (*steps[:-2], *(lcm(step, encoder_features.STRIDE) for step in steps[-2:]))


def _steps(spec: ModelSpec, spacing: Sequence[float]) -> tuple[int, ...]:
    return tuple(max(1, round(spec.features.stride * min(spacing) / step)) for step in spacing)


def _has_encoder(spec: ModelSpec) -> bool:
    """The textbook sliding window, all groups off, sees nothing else."""
    config = spec.features
    groups = config.intensity or config.edges or config.texture
    return spec.encoder not in (None, "filters") and groups


class PixelClassifier(nn.Module):
    """Images ``(N, C, *spatial)`` to logits ``(N, classes, *spatial)``, each pixel by itself.

    Parameters
    ----------
    spec : ModelSpec
        What is seen at a pixel.
    inputs : Inputs
        Channels, classes and spacing.
    """

    def __init__(self, spec: ModelSpec, inputs: Inputs) -> None:
        super().__init__()
        self.config, self.spacing = spec.features, inputs.spacing
        self.steps = _steps(spec, inputs.spacing)
        self.encoder: nn.Module | None = None
        reaches = filters.reaches(self.config, inputs.channels, inputs.ndim)
        if _has_encoder(spec):
            from . import encoder_features  # its libraries take seconds to import

            self.encoder = encoder_features.create(str(spec.encoder), inputs.channels)
            reaches += encoder_features.reaches(self.encoder)
        features = len(reaches)
        self.reads = nn.Buffer(torch.ones(inputs.channels))  # no other tensor tells a file's reader
        self.mean = nn.Buffer(torch.zeros(features))
        self.scale = nn.Buffer(torch.ones(features))
        count = DIRECTIONS[inputs.ndim]
        self.directions = nn.Buffer(torch.zeros(count, features))
        self.phases = nn.Buffer(torch.zeros(count))
        self.plain = nn.Buffer(torch.zeros(features, 1))
        self.weight = nn.Buffer(torch.zeros(inputs.classes, count + features))
        self.bias = nn.Buffer(torch.zeros(inputs.classes))
        if not self.phases.is_meta:  # arithmetic there imports torch._dynamo, which takes seconds
            self._set_random_features(torch.tensor(reaches), inputs.ndim)
        self.eval()

    def _set_random_features(self, radii: Tensor, ndim: int) -> None:
        make = _dense if ndim == 2 else _single
        self.directions.copy_(make(len(self.phases), radii ** -FINE[ndim]))
        self.phases.copy_(2 * pi * torch.rand(len(self.phases)))
        self.plain.copy_(PLAIN * radii[:, None] ** -FADE[ndim])

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Logits of every pixel, tile after tile so that memory holds one tile's features."""
        return torch.stack([self._logits(image) for image in images])

    @torch.no_grad()
    def features(self, image: Tensor) -> Tensor:
        """What is seen at each pixel of an image.

        Parameters
        ----------
        image : Tensor
            float32 ``(C, *spatial)``.

        Returns
        -------
        Tensor
            float32 ``(F, *spatial)``, not to be written to. On a CPU it is kept for the next time
            within a memory limit; a graphics card computes it faster than it could be fetched.
        """
        if image.device.type != "cpu":
            return self._compute(image)
        weights = self.encoder.state_dict().values() if self.encoder else ()
        key = key_of(image.numpy(), self.config, self.spacing, *(w.numpy() for w in weights))
        return torch.from_numpy(CACHE.get(key, lambda: self._compute(image).numpy()))

    def _compute(self, image: Tensor) -> Tensor:
        features = filters.filter_bank(image, self.config, self.spacing)
        if self.encoder is None:
            return features
        from . import encoder_features

        return torch.cat([features, encoder_features.maps(self.encoder, image)])

    def standardise(self, columns: Tensor) -> Tensor:
        """Features ``(F, pixels)`` on one scale, nothing far from the others."""
        return ((columns - self.mean[:, None]) * self.scale[:, None]).clamp_(-FAR, FAR)

    def embed(self, columns: Tensor) -> Tensor:
        """What the softmax weighs, ``(directions + F, pixels)``, from features ``(F, pixels)``."""
        plain = self.standardise(columns)
        waves = torch.addmm(self.phases[:, None], self.directions, plain).cos_()
        return torch.cat([waves.mul_((2 / len(waves)) ** 0.5), self.plain * plain])

    def _logits(self, image: Tensor) -> Tensor:
        seen = self.features(image)
        for axis, step in enumerate(self.steps, 1):
            seen = _every(seen, axis, step)
        chunks = torch.split(seen.flatten(1), CHUNK, dim=1)
        logits = torch.cat(
            [torch.addmm(self.bias[:, None], self.weight, self.embed(c)) for c in chunks], 1
        ).reshape(-1, *seen.shape[1:])
        for axis, step in enumerate(self.steps, 1):
            logits = _nearest(logits, axis, step, image.shape[axis])
        return logits


def _dense(number: int, shares: Tensor) -> Tensor:
    """Random directions, at right angles as far as there is room: they cover space evenly."""
    seen = len(shares)
    lengths = torch.randn(number, seen).norm(dim=1, keepdim=True)
    blocks = [
        torch.linalg.qr(torch.randn(seen, min(seen, number)))[0].T
        for _ in range(-(-number // seen))
    ]
    return torch.cat(blocks)[:number] * lengths * shares / shares.norm()


def _single(number: int, shares: Tensor) -> Tensor:
    """Random directions along one feature each, which takes its share of them."""
    passed = shares.cumsum(0) / shares.sum()
    middles = (torch.arange(number) + 0.5) / number
    above = middles[:, None] >= passed[:-1]
    picked = above.sum(dim=1, keepdim=True) == torch.arange(len(shares))
    return picked * torch.randn(number, 1) * SHARP


def _every(values: Tensor, axis: int, step: int) -> Tensor:
    """The centre of each cell of `step` pixels."""
    length = values.shape[axis]
    centres = torch.arange(0, length, step, device=values.device) + step // 2
    return values if step == 1 else values.index_select(axis, centres.clamp_(max=length - 1))


def _nearest(values: Tensor, axis: int, step: int, length: int) -> Tensor:
    """Undo `_every`: each pixel takes its cell's value."""
    cells = torch.arange(length, device=values.device) // step
    return values if step == 1 else values.index_select(axis, cells)
