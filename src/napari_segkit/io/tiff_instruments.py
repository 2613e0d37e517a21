"""Pixel sizes in TIFF files of instruments, in metadata of their own."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tifffile import TiffFile

AxisSizes = Mapping[str, tuple[float, str]]  # size and unit of the axes where they are known
Stored = Mapping[str, tuple[object, str]]  # before it is checked

LINEAR_METRE = 9001  # of the units of GeoTIFF


def instrument_sizes(file: "TiffFile") -> AxisSizes:
    """Sizes in the metadata of a slide scanner or microscope; empty if there are none."""
    for stored in (_aperio, _zeiss_lsm, _zeiss_sem, _fei, _metaseries, _map):
        if sizes := _valid(stored(file)):
            return sizes
    return {}


def _valid(sizes: Stored) -> AxisSizes:
    return {
        axis: (float(f"{size:.6g}"), unit)
        for axis, (size, unit) in sizes.items()
        if isinstance(size, int | float) and 0 < size < float("inf")
    }


def _aperio(file: "TiffFile") -> Stored:
    """Slides of Aperio (.svs): micrometres per pixel."""
    from tifffile.tifffile import svs_description_metadata

    page = file.pages.first
    size = svs_description_metadata(page.description).get("MPP") if page.is_svs else None
    return dict.fromkeys("YX", (size, "um"))


def _zeiss_lsm(file: "TiffFile") -> Stored:
    metadata = file.lsm_metadata or {}
    return {axis: (_in_um(metadata.get(f"VoxelSize{axis}")), "um") for axis in "ZYX"}


def _zeiss_sem(file: "TiffFile") -> Stored:
    """Electron microscopes of Zeiss: a name, a number and a unit."""
    metadata = file.sem_metadata or {}
    stored: Sequence[object] = (
        metadata.get("ap_image_pixel_size") or metadata.get("ap_pixel_size") or ()
    )
    return {axis: (stored[1], str(stored[2])) for axis in "YX" if len(stored) == 3}


def _fei(file: "TiffFile") -> Stored:
    """Electron microscopes of FEI and Thermo Fisher: metres."""
    scan = (file.fei_metadata or {}).get("Scan", {})
    names = {"Y": "PixelHeight", "X": "PixelWidth"}
    return {axis: (_in_um(scan.get(name)), "um") for axis, name in names.items()}


def _metaseries(file: "TiffFile") -> Stored:
    """Screens of MetaXpress and MetaMorph."""
    plane = (file.metaseries_metadata or {}).get("PlaneInfo", {})
    unit = str(plane.get("spatial-calibration-units", ""))
    calibrated = plane.get("spatial-calibration-state", True)
    return {
        axis: (plane.get(f"spatial-calibration-{axis.lower()}"), unit)
        for axis in "YX"
        if calibrated
    }


def _map(file: "TiffFile") -> Stored:
    """GeoTIFF whose coordinates are metres."""
    metadata = file.geotiff_metadata or {}
    if metadata.get("ProjLinearUnitsGeoKey") != LINEAR_METRE:
        return {}
    return {
        a: (size, "m") for a, size in zip("XY", metadata.get("ModelPixelScale", ()), strict=False)
    }


def _in_um(metres: object) -> object:
    return metres * 1e6 if isinstance(metres, int | float) else None
