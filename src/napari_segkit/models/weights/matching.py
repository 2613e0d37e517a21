"""Match the tensors of a file to those of a network, by name and shape or by order."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Tensors = dict[str, "Tensor"]

# Prefixes that training scripts and libraries add to the names of tensors.
WRAPPERS = {
    *("module", "_orig_mod", "network", "net", "model"),
    *("encoder", "backbone", "body", "features"),
}

# Names in older files of torchvision's detectors, and their current names.
RENAMED = (
    (r"(\.fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)$", r"\1.0.\2"),
    (r"(\.head\.conv)\.(weight|bias)$", r"\1.0.0.\2"),
    *((rf"\.mask_fcn{n + 1}\.", rf".{n}.0.") for n in range(4)),
)
EPS = 1e-5  # epsilon of torch's batch norm


def without_counters(state: Tensors) -> Tensors:
    """Drop batch norm's `num_batches_tracked`, which older files lack."""
    return {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}


def encoder_tensors(state: Tensors) -> Tensors:
    """Tensors of the encoder; all of them where no module is called so."""
    starts = [s for s in _wrapper_prefixes(state) if s.endswith("backbone.body.")]
    starts = starts or [
        s for s in _wrapper_prefixes(state) if s.endswith(("encoder.", "backbone."))
    ]
    start = min(starts, key=len, default="")
    return {k: v for k, v in state.items() if k.startswith(start)}


def convert_detector(tensors: Tensors) -> Tensors:
    """Convert the tensors of a torchvision Mask R-CNN to today's names; return others unchanged.

    Frozen batch norm of older files adds no epsilon to the variances, so it is subtracted here.
    """
    if not any("roi_heads.mask_predictor." in name for name in tensors):
        return tensors
    frozen = not any(name.endswith("num_batches_tracked") for name in tensors)
    matched = {}
    for name, tensor in tensors.items():
        for old, new in RENAMED:
            name = re.sub(old, new, name)
        lower = frozen and name.endswith("running_var")
        matched[name] = tensor - EPS if lower else tensor
    return matched


def match_by_name(tensors: Tensors, expected: Tensors, channels: int) -> Tensors:
    """Match tensors by name and shape, ignoring wrapper prefixes on either side."""
    best: Tensors = {}
    for theirs in _wrapper_prefixes(tensors):
        for ours in _wrapper_prefixes(expected):
            matched = {
                name: fitted
                for name, weight in expected.items()
                if name.startswith(ours)
                and (source := tensors.get(theirs + name.removeprefix(ours))) is not None
                and (fitted := adapt(source, weight, channels)) is not None
            }
            best = max(best, matched, key=len)
    return best


def match_in_order(tensors: Tensors, expected: Tensors, channels: int) -> Tensors:
    """Match tensors by order, kind and shape, where names differ; empty unless all fit."""
    pairs = zip(expected.items(), without_counters(tensors).items(), strict=False)
    matched = {
        name: fitted
        for (name, weight), (theirs, source) in pairs
        if _kind(name) == _kind(theirs) and (fitted := adapt(source, weight, channels)) is not None
    }
    return matched if len(matched) == len(expected) else {}


def adapt(source: "Tensor", weight: "Tensor", channels: int) -> "Tensor | None":
    """Adapt a file's tensor to a network's weight, or None if it does not fit.

    A first convolution is adapted to `channels`: one channel takes the sum over the file's
    channels; more repeat them in turn, scaled by the ratio of the counts.
    """
    if source.shape == weight.shape:
        return source
    ours, theirs = list(weight.shape), list(source.shape)
    if len(ours) < 3 or ours[1] != channels or [*theirs[:1], *theirs[2:]] != [*ours[:1], *ours[2:]]:
        return None
    if channels == 1:
        return source.sum(1, keepdim=True)
    in_turn = [channel % theirs[1] for channel in range(channels)]
    return source[:, in_turn] * (theirs[1] / channels)


def _kind(name: str) -> str:
    """Last part of a name, such as "weight" or "running_mean"."""
    return name.rpartition(".")[2]


def _wrapper_prefixes(names: Iterable[str]) -> list[str]:
    """All prefixes made of wrapper names, shortest first."""
    starts = {""}
    for name in names:
        start = ""
        for word in name.split("."):
            if word not in WRAPPERS:
                break
            start += f"{word}."
            starts.add(start)
    return sorted(starts, key=lambda start: (len(start), start))
