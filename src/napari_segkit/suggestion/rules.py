"""The rules of a suggestion: each gives one setting and the reason for it, or nothing.

A rule is given the facts, the budget, and the settings that a person or earlier rules have decided.
The measurements behind them are in docs/benchmarks.md.
"""

from collections.abc import Callable, Mapping
from math import ceil, prod

from napari_segkit.models import model_info
from napari_segkit.models.presets import TOUCHING, volume_preset
from napari_segkit.tiling import TILE

from .facts import Budget, Facts
from .reason import Reason, percent

EDGES_OF_MASKS = 1.25  # contrast at the edge of labels, as a ratio: strokes have less
MOST_STROKES = 0.3  # of the pixels are painted
FEW_STROKES = 0.1  # of the pixels are labelled: too few for a network
NEARLY_CUBES = 3.0  # voxels that are no longer than so many times their width
SHORT = 4.0  # minutes, as in `reach`, in which a network of planes does not get better than pixels
SHORT_OF_OBJECTS = 8.0  # the same for objects
SHORT_OF_BLOCKS = 10.0  # for objects in volumes
SHORT_OF_WALLS = 60.0  # for cells that fill a volume
LONG = 10.0  # minutes from which the default network pays
LARGE_OBJECT = 90.0  # pixels: larger ones are made smaller, to this diameter
SMALLER_OBJECT = 40.0
OBJECTS_ACROSS = 4  # a patch
LARGEST_TILE = 512
FILLED = 0.8  # of the pixels are objects: walls divide them

Settings = Mapping[str, object]
NOTHING: Settings = {}
SCRIBBLES, FAST, BALANCED = "scribbles, in seconds", "fast on CPU", "balanced"

Rule = Callable[[Facts, Budget, Settings], Reason | None]


def are_strokes(facts: Facts) -> bool:
    """Whether the labels look like strokes: they end where the image has no edges."""
    contrast = facts.edge_contrast
    has_edges = contrast is not None and contrast >= EDGES_OF_MASKS
    return not facts.are_ids and facts.painted_part < MOST_STROKES and not has_edges


def labels_are(facts: Facts, budget: Budget, settings: Settings) -> Reason | None:
    """What label values mean, where they are instance ids."""
    if not facts.are_ids or facts.objects is None:
        return None
    return Reason(
        "labels_are",
        "objects",
        f"Nearly each label value is in one connected region: the {facts.objects.count} regions "
        "that were read are taken as single objects.",
    )


def unlabelled(facts: Facts, budget: Budget, settings: Settings) -> Reason | None:
    """What 0 means, or which other value is unlabelled."""
    painted = facts.painted
    if settings.get("labels_are") == "objects" or facts.are_ids:
        return Reason("unlabelled", None, "In labels of single objects 0 is the background.")
    if not painted:
        return None
    if _has_unlabelled_255(facts):
        part = percent(facts.counts[255] / sum(facts.counts.values()))
        return Reason(
            "unlabelled",
            255,
            f"255 stands apart from the other values, as in masks of photographs: it means "
            f"unlabelled ({part} of the pixels).",
        )
    if 0 not in facts.counts:
        return Reason("unlabelled", None, "No pixel is 0: every pixel is labelled.")
    return _meaning_of_0(facts)


def _has_unlabelled_255(facts: Facts) -> bool:
    others = [value for value in facts.painted if value != 255]
    return 255 in facts.counts and len(others) > 1 and max(others) < 254


def _meaning_of_0(facts: Facts) -> Reason:
    painted, part = facts.painted, percent(facts.painted_part)
    if set(painted) == {255}:
        return Reason(
            "unlabelled", None, "The labels hold 0 and 255 only, as masks do: 0 is the background."
        )
    values = f"{len(painted)} values" if len(painted) > 1 else f"the value {next(iter(painted))}"
    contrast = f"{facts.edge_contrast:.1f} times" if facts.edge_contrast else "no more than"
    if are_strokes(facts):
        more = "" if len(painted) > 1 else " Paint a few strokes of the background, too."
        return Reason(
            "unlabelled",
            0,
            f"The labels look like strokes of {values}: they cover {part} of the pixels, and the "
            f"image changes {contrast} as much at their edges as near them. 0 means "
            f"unlabelled.{more}",
        )
    return Reason(
        "unlabelled",
        None,
        f"The labels look like masks of {values}: they cover {part} of the pixels, and the image "
        f"changes {contrast} as much at their edges as near them. 0 is the background.",
    )


def objects(facts: Facts, budget: Budget, settings: Settings) -> Reason | None:
    """How single objects are predicted, where the labels hold some."""
    found = facts.objects
    is_network_of_objects = "name" in settings and model_info(str(settings["name"])).has_masks
    if found is None or is_network_of_objects or settings.get("labels_are") == "classes":
        return None
    if found.cover >= FILLED:
        return Reason(
            "objects",
            "boundary",
            f"Objects fill {percent(found.cover)} of the pixels and only walls divide them: "
            "learned boundaries and a watershed separate them.",
        )
    touching = f"{percent(found.touching)} of the {found.count} objects touch another one"
    text = f"{touching}: learned distances to their border and a watershed separate them."
    return Reason("objects", "distance", text)


def model(facts: Facts, budget: Budget, settings: Settings) -> Reason | None:
    """The method: that of a preset, or a network of volumes for objects in them."""
    if "name" in settings:
        return None
    if not _needs_network(settings) and (reason := _pixel_classifier(facts, budget, settings)):
        return reason
    if settings.get("objects"):
        return _network_of_objects(facts, settings)
    if facts.is_volume:
        return _method_of_volumes(facts, budget)
    return _network(facts, budget)


def _needs_network(settings: Settings) -> bool:
    """Whether a person chose a setting that the pixel classifier does not use."""
    unused = model_info("pixels").unused
    return any(name in settings for name in unused if name != "epochs")


def _network_of_objects(facts: Facts, settings: Settings) -> Reason:
    if facts.is_volume and settings.get("dims") != "2D":
        text = f"{facts.shape[0]} slices: a 3D network sees an object in all of its slices."
        return Reason("name", "unet3d", text)
    return Reason("preset", TOUCHING.name, "A U-Net separates objects best in the same minutes.")


def _pixel_classifier(facts: Facts, budget: Budget, settings: Settings) -> Reason | None:
    if not facts.painted:
        text = "Nothing is labelled in what was read: a few strokes are enough for the pixel "
        return Reason("preset", SCRIBBLES, f"{text}classifier, which trains in seconds.")
    part, is_of_objects = facts.painted_part, bool(settings.get("objects"))
    if not is_of_objects and settings.get("unlabelled", 0) == 0 and part < FEW_STROKES:
        text = f"{percent(part)} of the pixels are labelled, which is little for a network"
        end = "the pixel classifier trains on them in seconds."
        return Reason("preset", SCRIBBLES, f"{text}: {end}")
    if budget.is_cpu and reach(facts, budget, settings) < _shortest(facts, settings):
        text = f"{_time(facts, budget)} are short for a network"
        return Reason("preset", SCRIBBLES, f"{text}: the pixel classifier trains in seconds.")
    return None


def _shortest(facts: Facts, settings: Settings) -> float:
    """Minutes, as in `reach`, that a network needs to do better than the pixel classifier."""
    if not settings.get("objects"):
        return SHORT
    if not facts.is_volume:
        return SHORT_OF_OBJECTS
    return SHORT_OF_WALLS if settings["objects"] == "boundary" else SHORT_OF_BLOCKS


def _method_of_volumes(facts: Facts, budget: Budget) -> Reason:
    base = volume_preset(budget.device, reach(facts, budget))
    title = model_info(base.spec.name).title
    time = _time(facts, budget) if budget.is_cpu else "A graphics card"
    how = {"2D": ", slice by slice", "3D": " in 3D"}.get(base.spec.dims, "")
    text = f"{facts.shape[0]} slices. {time}: {title}{how} gets furthest."
    return Reason("name", base.spec.name, text)


def _network(facts: Facts, budget: Budget) -> Reason:
    if not budget.is_cpu:
        text = "A U-Net with ResNet-18 trains in minutes on a graphics card."
        return Reason("preset", BALANCED, text)
    time = _time(facts, budget)
    if reach(facts, budget) < LONG:
        return Reason("preset", FAST, f"{time} are few: a light network sees more examples.")
    return Reason("preset", BALANCED, f"{time} are enough for a U-Net with ResNet-18.")


def reach(facts: Facts, budget: Budget, settings: Settings = NOTHING) -> float:
    """Minutes of one thread, counted as those of patches of 256 x 256: small images take less.

    Networks of objects in volumes train on blocks, whose steps are long also in small volumes.
    """
    if facts.is_volume and settings.get("objects"):
        return budget.cpu_minutes
    area = prod(min(TILE[2], 32 * ceil(length / 32)) for length in facts.shape[1:])
    return budget.cpu_minutes * TILE[2] ** 2 / area


def _time(facts: Facts, budget: Budget) -> str:
    threads = f"{budget.threads} thread{'s' * (budget.threads > 1)}"
    minutes = f"{budget.minutes:g} minute{'s' * (budget.minutes != 1)}"
    y, x = facts.shape[1:]
    small = f" for images of only {y} x {x}" if reach(facts, budget) > budget.cpu_minutes else ""
    return f"{minutes} on {threads} of a CPU{small}"


def dims(facts: Facts, budget: Budget, settings: Settings) -> Reason | None:
    """Slice by slice or in 3D, of volumes."""
    if not facts.is_volume:
        return None
    allowed = model_info(str(settings["name"])).dims
    if allowed == (2,):
        text = "Slice by slice: in the same minutes a 2D network sees many more examples."
        return Reason("dims", "2D", text)
    ratio = facts.anisotropy
    if settings["name"] == "pixels" and ratio > NEARLY_CUBES:
        text = f"Slices are {ratio:.3g} times as far apart as pixels: features of one slice each."
        return Reason("dims", "2D", text)
    shape = "cubes" if ratio < 1.1 else f"{ratio:.2g} times as long as wide"
    return Reason(
        "dims", "3D", f"{facts.shape[0]} slices, voxels {shape}: neighbours along Z help."
    )


def voxel_size(facts: Facts, budget: Budget, settings: Settings) -> Reason | None:
    """Voxels of one size, or larger pixels where objects are large."""
    if not facts.has_one_spacing:
        size = _rounded(sorted(min(s) for s in facts.spacings)[len(facts.spacings) // 2])
        text = "The images have several pixel sizes: all are resampled to the middle one."
        return Reason("voxel_size", size, text)
    found = facts.objects
    if found is None or facts.is_volume or found.diameter <= LARGE_OBJECT:
        return None
    size = _rounded(min(facts.spacing[1:]) * found.diameter / SMALLER_OBJECT)
    text = f"Objects are {found.diameter:.0f} pixels wide: with larger pixels more fit in a tile."
    return Reason("voxel_size", size, text)


def _rounded(value: float) -> float:
    """Two digits."""
    return float(f"{value:.2g}")


def tile_size(facts: Facts, budget: Budget, settings: Settings) -> Reason | None:
    """Patches that hold several objects."""
    found = facts.objects
    is_network = not model_info(str(settings["name"])).features and settings.get("objects")
    if found is None or not is_network or settings.get("dims") == "3D":
        return None
    width = found.diameter * min(facts.spacing[1:]) / _size(facts, settings)
    wanted = 32 * ceil(OBJECTS_ACROSS * width / 32)
    if wanted <= TILE[2]:
        return None
    size = min(wanted, LARGEST_TILE)
    return Reason("tile_size", size, f"Objects are {width:.0f} pixels wide: patches hold several.")


def _size(facts: Facts, settings: Settings) -> float:
    """Pixel size at which is trained."""
    given = settings.get("voxel_size")
    return float(str(given)) if given else min(facts.spacing[1:])


def loss(facts: Facts, budget: Budget, settings: Settings) -> Reason | None:
    """Cross-entropy and Dice, whatever the classes; the pixel classifier has its own."""
    counts = {v: n for v, n in facts.counts.items() if v != settings.get("unlabelled")}
    is_own = "loss" in model_info(str(settings["name"])).unused
    if is_own or facts.objects or len(counts) < 2:
        return None
    rarest = min(counts, key=lambda value: counts[value])
    part = percent(counts[rarest] / sum(counts.values()))
    text = f"The rarest class, {rarest}, has {part} of the labelled pixels: Dice counts it in full."
    return Reason("loss", "cross_entropy_dice", text)


RULES: tuple[Rule, ...] = (labels_are, unlabelled, objects, model)
RULES_OF_METHOD: tuple[Rule, ...] = (dims, voxel_size, tile_size, loss)
