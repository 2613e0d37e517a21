"""The group "labels" of an OME-Zarr image, which lists the labels that lie in it."""

from pathlib import Path
from typing import Any

from napari_segkit.io.zarr_folders import LABELS

from .ome_written import group_attributes


def list_labels(image: Path, name: str) -> None:
    """Add labels that lie in an image to its list of them, without touching anything else."""
    import zarr

    root = zarr.open_group(image, mode="r+", use_consolidated=False)
    group = root.require_group(LABELS)
    names = listed_labels(group)
    if name not in names:
        listed: Any = group_attributes(root.metadata.zarr_format, labels=[*names, name])
        ome: Any = group.attrs.get("ome", {})
        if "ome" in listed:
            listed = {"ome": {**ome, **listed["ome"]}}
        group.update_attributes(listed)


def listed_labels(group: Any) -> list[str]:
    """Names in the list of a group "labels"."""
    attributes = dict(group.attrs)
    return [str(name) for name in attributes.get("ome", attributes).get("labels", ())]
