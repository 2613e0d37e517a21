"""Which of a file's tensors belongs where in a network: by name and shape, or by order."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Tensors = dict[str, "Tensor"]

# What training scripts and libraries put before the names of a network's tensors.
WRAPPERS = {
    *("module", "_orig_mod", "network", "net", "model"),
    *("encoder", "backbone", "body", "features"),
}

# Names in older files of torchvision's detectors, and what they are called now.
RENAMED = (
    (r"(\.fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)$", r"\1.0.\2"),
    (r"(\.head\.conv)\.(weight|bias)$", r"\1.0.0.\2"),
    *((rf"\.mask_fcn{n + 1}\.", rf".{n}.0.") for n in range(4)),
)
EPS = 1e-5  # that of a batch norm here


def without_counters(state: Tensors) -> Tensors:
    """All tensors but batch norm's counts of batches, which older files lack.

    Parameters
    ----------
    state : dict of str to torch.Tensor
        A state dict.
    """
    return {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}


def encoder_part(state: Tensors) -> Tensors:
    """The tensors of the part that reads the image; all, where no part is called so.

    Parameters
    ----------
    state : dict of str to torch.Tensor
        Of a whole network.
    """
    starts = [s for s in _starts(state) if s.endswith("backbone.body.")]
    starts = starts or [s for s in _starts(state) if s.endswith(("encoder.", "backbone."))]
    start = min(starts, key=len, default="")
    return {k: v for k, v in state.items() if k.startswith(start)}


def of_detector(tensors: Tensors) -> Tensors:
    """The tensors of a whole Mask R-CNN, from whichever version of torchvision.

    Parameters
    ----------
    tensors : dict of str to torch.Tensor
        Of a file.

    Returns
    -------
    dict of str to torch.Tensor
        By the names of today. Where batch norm was frozen, as in torchvision's first file, nothing
        was added to the variances: they are lowered by what is added here, to the same result.
        Files of anything else come back as they are.
    """
    if not any("roi_heads.mask_predictor." in name for name in tensors):
        return tensors
    frozen = not any(name.endswith("num_batches_tracked") for name in tensors)
    found = {}
    for name, tensor in tensors.items():
        for old, new in RENAMED:
            name = re.sub(old, new, name)
        lower = frozen and name.endswith("running_var")
        found[name] = tensor - EPS if lower else tensor
    return found


def match(tensors: Tensors, wanted: Tensors, channels: int) -> Tensors:
    """What fits by name and shape, whatever wrapper stands before the names on either side.

    Parameters
    ----------
    tensors : dict of str to torch.Tensor
        Of a file.
    wanted : dict of str to torch.Tensor
        Of a network.
    channels : int
        Of the network's images.

    Returns
    -------
    dict of str to torch.Tensor
        The file's tensors by the network's names: as many as find their place.
    """
    best: Tensors = {}
    for theirs in _starts(tensors):
        for ours in _starts(wanted):
            found = {
                name: fitted
                for name, weight in wanted.items()
                if name.startswith(ours)
                and (given := tensors.get(theirs + name.removeprefix(ours))) is not None
                and (fitted := fit(given, weight, channels)) is not None
            }
            best = max(best, found, key=len)
    return best


def match_in_order(tensors: Tensors, wanted: Tensors, channels: int) -> Tensors:
    """Another library's weights: names of its own, but every kind and shape in the same order.

    Parameters
    ----------
    tensors : dict of str to torch.Tensor
        Of a file.
    wanted : dict of str to torch.Tensor
        Of a network's encoder.
    channels : int
        Of the network's images.

    Returns
    -------
    dict of str to torch.Tensor
        The file's tensors by the network's names; empty where a single one does not fit.
    """
    pairs = zip(wanted.items(), without_counters(tensors).items(), strict=False)
    found = {
        name: fitted
        for (name, weight), (theirs, given) in pairs
        if _kind(name) == _kind(theirs) and (fitted := fit(given, weight, channels)) is not None
    }
    return found if len(found) == len(wanted) else {}


def fit(given: "Tensor", weight: "Tensor", channels: int) -> "Tensor | None":
    """A file's tensor for a place in a network.

    Parameters
    ----------
    given : torch.Tensor
        Of the file.
    weight : torch.Tensor
        Of the network.
    channels : int
        Of the network's images.

    Returns
    -------
    torch.Tensor or None
        As it is where the shapes agree. A convolution that reads the image is brought to that
        many channels: one is the sum of the given ones; more repeat them in turn, scaled by the
        ratio of the counts. None where it does not fit.
    """
    if given.shape == weight.shape:
        return given
    ours, theirs = list(weight.shape), list(given.shape)
    if len(ours) < 3 or ours[1] != channels or [*theirs[:1], *theirs[2:]] != [*ours[:1], *ours[2:]]:
        return None
    if channels == 1:
        return given.sum(1, keepdim=True)
    in_turn = [channel % theirs[1] for channel in range(channels)]
    return given[:, in_turn] * (theirs[1] / channels)


def _kind(name: str) -> str:
    """Such as "weight" or "running_mean"."""
    return name.rpartition(".")[2]


def _starts(names: Iterable[str]) -> list[str]:
    """Every run of wrappers that a name begins with, the empty one first."""
    starts = {""}
    for name in names:
        start = ""
        for word in name.split("."):
            if word not in WRAPPERS:
                break
            start += f"{word}."
            starts.add(start)
    return sorted(starts, key=lambda start: (len(start), start))
