"""Error messages of the library in the words of the docks."""

from napari_segkit.error_messages import ON_CPU, failure, translate_arguments

from .model_summary import OBJECTS_BY

RESAMPLE = "Resample to the training's pixel size"
CHOICES = {
    "set PredictConfig.resample": f"tick {RESAMPLE}",
    "PredictConfig.resample is set": f"{RESAMPLE} is ticked",
    "PredictConfig.level": "Level",
    "labels_are='objects'": "Labels are: Instance ids",
    "labels_are='classes'": "Labels are: Class labels",
    "set by_index=True to": "press Compare pixel by pixel to",
    "unlabelled=None": "Unlabelled: none",
    " (`Project.open(folder, images=...)` looks elsewhere)": "",
    " (`project.recovered` holds them, `project.drop_autosave()` removes them)": "",
    "write it to a zarr folder, such as result.zarr (`out=`)": "choose OME-Zarr folder at Write to",
    "the same call or command goes on with it": "the next press goes on with it",
    ON_CPU: "choose cpu as Device in the Model dock",
    **{f"objects='{value}'": f"Objects: {text}" for value, (text, _) in OBJECTS_BY.items()},
}

SMALLER_IMAGE = "close other programs, or take a smaller image"
SMALLER_TILES = "lower Batch size or Tile size, or close other programs"


def error_text(error: BaseException, work: str, *, lower: str = SMALLER_IMAGE) -> str:
    """What a dock says of an error of some work; `lower`: what to lower if memory has run out."""
    return gui_message(failure(error, work, lower=lower))


def gui_message(message: str) -> str:
    """Replace Python names by the docks' labels: `choose dims='2D'` becomes `choose Dims 2D`."""
    for argument, choice in CHOICES.items():
        message = message.replace(argument, choice)
    return translate_arguments(message, _words)


def _words(name: str, value: str) -> str:
    return f"{name.replace('_', ' ').capitalize()} {value}".rstrip()
