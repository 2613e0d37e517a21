"""What was done in a project, as a script and as commands that give its predictions again."""

import os
import re
import shlex
from pathlib import Path
from subprocess import list2cmdline

from napari_segkit.config import ObjectConfig, PredictConfig, TileConfig
from napari_segkit.config._schema import Checked, to_options, to_python

from .files import StoredProject
from .paths import MODEL_FILE

CONFIG = re.compile(r"\b(\w+Config|ModelSpec)\(")
RESULTS = "results"


def script(folder: Path, project: StoredProject, *, objects: bool) -> str:
    """A script that predicts the images with the project's model, or trains it first."""
    training = [
        f"segmenter = Segmenter({to_python(project.spec)})",
        f"segmenter.fit(project.labelled, config={to_python(project.config)})",
    ]
    if project.has_model:
        training = ["# To train it anew:", *(f"# {line}" for line in training)]
        training.append("segmenter = project.load_model()")
    lines = [
        *training,
        "labels = []  # of each image, as in the training set",
        "for row in project.training_set.rows:",
        f"    labels.append({_call(project, objects=objects)})",
    ]
    code = [line for line in lines if not line.startswith("#")]
    names = {"Project", *CONFIG.findall("\n".join(code))}
    names |= {"Segmenter"} & set(re.findall(r"\w+", "\n".join(code)))
    return "\n".join(
        [
            f"from napari_segkit import {', '.join(sorted(names))}",
            "",
            f"project = Project.open({str(folder.resolve())!r})",
            *lines,
            "",
        ]
    )


def _call(project: StoredProject, *, objects: bool) -> str:
    """The call that predicts an image, with the settings that were changed."""
    verb = "predict_objects" if objects else "predict"
    settings: dict[str, Checked] = {"tile": project.tile, "config": project.prediction}
    if objects:
        settings["objects"] = project.objects
    changed = [
        f", {name}={to_python(value)}" for name, value in settings.items() if value != type(value)()
    ]
    call = f"segmenter.{verb}(row.image.open(){''.join(changed)})"
    return f"{call}.labels" if objects else call


def commands(folder: Path, project: StoredProject, *, objects: bool) -> str:
    """Commands that train the model, as a comment if it is there, and predict the images."""
    place = folder.resolve()
    train = command_line("segkit", "train", str(place), "-o", str(place / MODEL_FILE))
    settings = [*to_options(project.tile, TileConfig()),
                *to_options(project.prediction, PredictConfig())]  # fmt: skip
    if objects:
        settings += to_options(project.objects, ObjectConfig())
    predict = command_line(
        "segkit", "predict", str(place), str(place), "-o", str(place / RESULTS) + os.sep, *settings
    )
    return f"{'# ' * project.has_model}{train}\n{predict}\n"


def command_line(*words: str) -> str:
    """Words of a command as they are typed in the shell of this system."""
    return list2cmdline(words) if os.name == "nt" else shlex.join(words)
