"""What makes a comparison again: settings of the models, versions, the command and a script."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segkit.config import EvaluateConfig, RefineConfig
from napari_segkit.config._schema import to_python
from napari_segkit.training_set import TrainingSet

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel

CONFIG = re.compile(r"\b(\w+Config|ModelSpec|TrainingSet|compare)\(")
IN_MEMORY = "..."  # in a script, where there was no file


@dataclass(frozen=True)
class Repeat:
    """How a comparison was made.

    Parameters
    ----------
    command : str
        The command that made it; "" if it was made in Python or in the window.
    script : str
        Python code that makes it, where it was made of files; "..." stands for arrays and layers.
    settings : dict
        Name of each model to what it was made with.
    versions : dict
        Package to version.
    device : str
        Where the models predicted, as `describe` says it.
    """

    command: str = ""
    script: str = ""
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    device: str = ""


def settings_of(model: "TrainedModel", refine: RefineConfig | None) -> dict[str, str]:
    """What a model is, how it was trained, and how its results are refined."""
    record = model.provenance
    used = model.refine if refine is None else refine
    found = {
        "model": to_python(model.spec),
        "training": to_python(model.config),
        "refinement": to_python(used),
        "trained": ", ".join(_training(record)),
    }
    return {name: text for name, text in found.items() if text}


def _training(record: Mapping[str, object]) -> list[str]:
    units = {"date": "", "seconds": " s", "images_seen": " images seen", "device": ""}
    return [f"{record[name]}{unit}" for name, unit in units.items() if record.get(name)]


def script_of(
    compared: Any, truth: Any, images: Any, config: EvaluateConfig, refine: RefineConfig | None
) -> str:
    """Python code for a call of `compare`."""
    arguments = [_sources(compared), _source(truth)]
    if images is not None:
        arguments.append(_source(images))
    if config != EvaluateConfig():
        arguments.append(f"config={to_python(config)}")
    if refine is not None:
        arguments.append(f"refine={to_python(refine)}")
    lines = [f"comparison = compare(\n    {f',{chr(10)}    '.join(arguments)},\n)"]
    lines += ["print(comparison)", 'comparison.to_html("comparison.html")']
    names = ", ".join(sorted(set(CONFIG.findall("\n".join(lines)))))
    return "\n".join([f"from napari_segkit import {names}", "", *lines, ""])


def _sources(compared: Any) -> str:
    if isinstance(compared, Mapping):
        named = (f"{str(name)!r}: {_source(each)}" for name, each in compared.items())
        return f"{{{', '.join(named)}}}"
    return f"[{', '.join(map(_source, compared))}]"


def _source(source: Any) -> str:
    if isinstance(source, str | PathLike):
        return repr(fspath(Path(source).absolute()))
    if isinstance(source, TrainingSet):
        return f"TrainingSet({IN_MEMORY})"
    return IN_MEMORY
