"""What is suggested for images and labels, beside the presets, after the same minutes.

    python benchmarks/suggest.py --data FOLDER [--minutes 5] [--cpu] [--output FILE] [sets ...]

The suggestion is given images, labels, axes and voxel size, and nothing else. Each preset is given
what the labels mean, too. Random weights, seed 0, the splits of the data sets; sets named "strokes"
have random strokes of 1 % of the pixels. A preset that is what was suggested is not trained twice.
Classes: mean IoU over all test pixels; objects: F1 at an IoU of 0.5 and mean AP. --cpu counts the
CPU time of all threads, divided by their number, for a busy machine.
"""

import argparse
import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import objects
import semantic
from peers.strokes import strokes as draw

from napari_segkit import Segmenter, evaluate, suggest
from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import resolve
from napari_segkit.models.presets import TOUCHING, VOLUME, presets_for
from napari_segkit.training import schedule

import torch  # isort: skip

Set = tuple[Any, Any, dict[str, Any], dict[str, Any]]  # train, test, of images, of labels
OF_CLASSES = ("scribbles, in seconds", "fast on CPU", "balanced")
OF_OBJECTS = (TOUCHING.name, "objects one by one")
STROKES = 0.01
CLASSES = ("isbi2012_em", "coco_stuff", "mri_mni152", "mri_spinal_sct")
WITH_STROKES = ("isbi2012_em", "dsb2018_fluo", "dsb2018_colour")


def of_classes(name: str, data: Path) -> Set:
    """A data set with class labels."""
    train, test, options = semantic.SETS[name](data / name)
    of_labels = {k: v for k, v in options.items() if k in semantic.LABELS}
    return train, test, {k: v for k, v in options.items() if k not in of_labels}, of_labels


def of_strokes(name: str, data: Path) -> Set:
    """Random strokes of the classes 1 and 2 in each training image."""
    (images, masks), (held_out, truth), _, _ = of_classes(name, data)
    classes = [(mask > 0).astype(np.uint8) for mask in masks]
    strokes = [
        next(draw(mask, [STROKES], seed, "proportional")) for seed, mask in enumerate(classes)
    ]
    test = held_out, [1 + (mask > 0).astype(np.uint8) for mask in truth]
    return (images, strokes), test, {}, {"unlabelled": 0}


def of_objects(name: str, data: Path) -> Set:
    """A data set with instance ids."""
    train, test, of_images = objects.SETS[name][0](data / name)
    pairs = [tuple(map(list, zip(*part, strict=True))) for part in (train, test)]
    return *pairs, of_images, {"labels_are": "objects"}


SETS = {
    **dict.fromkeys(CLASSES, of_classes),
    **{f"{name} strokes": of_strokes for name in WITH_STROKES},
    **dict.fromkeys(objects.SETS, of_objects),
}


def run(name: str, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row for the suggestion, and one for each preset."""
    train, test, of_images, of_labels = SETS[name](name.split()[0], args.data)
    began = process_time()
    found = suggest(*train, **of_images, minutes=args.minutes, device="cpu")
    seconds = round(process_time() - began, 1)
    print(f"\n### {name} ({seconds} s of CPU time)\n{found}", flush=True)
    row = _trained(found.spec, found.config, train, test, of_images, of_labels)
    yield {"set": name, "method": "suggestion", "suggest_seconds": seconds} | row
    for title in _titles(of_images, of_labels):
        preset = presets_for("cpu", args.minutes)[title]
        spec = resolve(preset.spec)
        config = replace(preset.settings(args.minutes), **of_labels)
        if spec == found.spec and (config == found.config or spec.name == "pixels"):
            yield {"set": name, "method": title, "model": "as suggested"}
        else:
            row = _trained(spec, config, train, test, of_images, of_labels)
            yield {"set": name, "method": title} | row


def _titles(of_images: dict[str, Any], of_labels: dict[str, Any]) -> tuple[str, ...]:
    """The presets that a person might choose."""
    if of_labels.get("labels_are") == "objects":
        return OF_OBJECTS[: 1 if of_images else 2]
    return (*OF_CLASSES[:2], VOLUME) if of_images else OF_CLASSES


def _trained(
    spec: ModelSpec,
    config: TrainConfig,
    train: Any,
    test: Any,
    of_images: dict[str, Any],
    of_labels: dict[str, Any],
) -> dict[str, Any]:
    """Metrics of a model on the test images."""
    segmenter = Segmenter(spec, device="cpu").fit(*train, config, **of_images)
    predicted = [segmenter.predict(image, **of_images) for image in test[0]]
    row = {
        "model": f"{spec.name} {spec.encoder} {spec.dims} {spec.objects or ''}".strip(),
        "steps": len(segmenter.history),
        "minutes": round(segmenter.trained.provenance.get("seconds", 0) / 60, 2),
    }
    if of_labels.get("labels_are") == "objects":
        report = evaluate(predicted, test[1], kind="instance", **of_labels)
        return row | {"f1": round(report.f1[0.5], 4), "ap": round(report.mean_ap, 4)}
    return row | {"iou": round(float(evaluate(predicted, test[1], **of_labels).mean_iou), 4)}


def main() -> None:
    """Run on the named data sets, or on all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", metavar="SET", help=", ".join(SETS))
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu", action="store_true", help="count minutes of CPU time")
    parser.add_argument("--output", type=Path, default=Path("suggest.csv"), help="CSV table")
    args = parser.parse_args()
    if unknown := set(args.sets) - set(SETS):
        parser.error(f"there is no set {', '.join(sorted(unknown))}: choose of {', '.join(SETS)}")
    torch.set_num_threads(args.threads)
    if args.cpu:
        schedule.perf_counter = lambda: process_time() / args.threads
    columns = ("set", "method", "model", "steps", "minutes", "iou", "f1", "ap", "suggest_seconds")
    with args.output.open("a", newline="") as file:
        table = csv.DictWriter(file, columns)
        for name in args.sets or SETS:
            for row in run(name, args):
                table.writerow(row)
                file.flush()
                print(row, flush=True)


if __name__ == "__main__":
    main()
