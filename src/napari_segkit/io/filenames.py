"""Paths, and stems and endings of file names; some endings have two parts."""

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

AnyPath = str | PathLike[str]
NIFTI = (".nii", ".nii.gz")
PAIRS = (".hdr", ".img", ".hdr.gz", ".img.gz")  # of NIfTI and of Analyze
MGH = (".mgh", ".mgz")  # of FreeSurfer
ITK = (".nrrd", ".nhdr", ".mha", ".mhd")
NUMPY = (".npy", ".npz")
MODEL = ".segkit"
STATE = ".state"  # added to the name of the model that is trained
DICOM = (".dcm", ".dicom")
VOLUMES = (*NIFTI, *PAIRS, *MGH, *ITK, *DICOM)  # read with a header of NIfTI
WRITTEN_TIFF = (".tif", ".tiff")
TIFF = (
    *(*WRITTEN_TIFF, ".btf", ".tf2", ".tf8", ".ptif", ".ptiff"),
    *(".lsm", ".stk", ".svs", ".ndpi", ".scn", ".qptiff", ".bif"),  # of instruments
)
LISTS = (".csv", ".tsv")
TABLES = (*LISTS, ".json", ".txt", ".md", ".xml", ".yaml", ".yml")  # files beside images
CHANNEL = re.compile(r"(.+)_(\d{4})")  # of nnU-Net, in which a channel is a file


def as_paths(path: AnyPath | Sequence[AnyPath]) -> list[Path]:
    """One path or several, as napari gives them to readers, as a list."""
    return [Path(path)] if isinstance(path, str | PathLike) else [Path(p) for p in path]


def require_path(path: AnyPath) -> None:
    """ValueError if this is an address of the internet, which `Path` makes a file of."""
    address = re.fullmatch(r"(\w{2,}):[/\\]+(.*)", str(path))
    if address:
        raise ValueError(
            f"{address[1]}://{address[2]} is an address: copy the file or folder to this computer, "
            "and give its path there."
        )


def stem(path: Path) -> str:
    """File name without its ending, which may be ".nii.gz" or ".ome.tif"; numbers are no ending."""
    ending = r"(\.ome)?(\.zarr(?=\.zip$))?\.(?!\d+$)[^.]+(\.gz)?$"
    return re.sub(ending, "", path.name, flags=re.IGNORECASE) or path.name


def ending(path: Path) -> str:
    """Ending that gives the file format, in lower case, such as ".tif" or ".nii.gz"."""
    suffixes = path.suffixes[-2:] if path.suffix.lower() == ".gz" else path.suffixes[-1:]
    return "".join(suffixes).lower()


def shorten(names: Sequence[str]) -> str:
    """Comma-separated names, at most five."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
