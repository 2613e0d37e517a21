"""The rules of the house that a program can check."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "napari_segkit"
HEAVY = ("torch", "monai", "skimage", "scipy", "napari", "qtpy", "magicgui", "PyQt6", "PySide6")
DOCKS = {"Model", "Train", "Predict", "Evaluate", "Compare", "Measure", "Refine", "Superpixels"}
WIDGETS = DOCKS | {"SegKit workbench"}


def python(*lines):
    """Run lines in a fresh interpreter and return what they print."""
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def loaded_by(line, names):
    found = python(line, "import sys", f"print(*[n for n in {names!r} if n in sys.modules])")
    return found.split()


def test_import_is_light():
    assert loaded_by("import napari_segkit", HEAVY) == []


def test_the_core_loads_no_qt():
    line = "from napari_segkit import Segmenter, evaluate, list_models; Segmenter(); list_models()"
    assert loaded_by(line, ("napari", "qtpy", "magicgui", "PyQt6", "PySide6")) == []


@pytest.mark.parametrize(
    "line",
    [
        "from napari_segkit.inference import panoptic; import napari_segkit.prediction",
        "from napari_segkit._qt.docks.predict import predict_dock",
    ],
)
def test_predictions_in_memory_load_no_zarr(line):
    if "_qt" in line:
        pytest.importorskip("qtpy", exc_type=ImportError, reason="the docks need Qt")
    assert loaded_by(line, ("zarr", "numcodecs")) == []


def test_what_a_method_chooses_by_sizes_is_told_without_torch():
    spec = "from napari_segkit.models.instance.object_scales import *; spec = ModelSpec('maskrcnn')"
    assert loaded_by(f"{spec}; sizes_text(spec, DEFAULT_SIZES)", ("torch", "torchvision")) == []


def test_imports_point_one_way(monkeypatch, capsys):
    cli = pytest.importorskip("importlinter.cli")
    monkeypatch.chdir(PACKAGE.parent.parent)
    status = cli.lint_imports(no_cache=True)
    assert status == 0, capsys.readouterr().out


@pytest.fixture(scope="module")
def manifest():
    from npe2 import PluginManifest

    return PluginManifest.from_file(PACKAGE / "napari.yaml")


def test_manifest_is_the_installed_one(manifest):
    (entry,) = entry_points(group="napari.manifest", name="napari-segkit")
    assert entry.value == "napari_segkit:napari.yaml"
    assert manifest.name == entry.dist.name


def test_manifest_link_at_the_top():
    link = PACKAGE.parent.parent / "napari.yaml"
    if not link.is_symlink():
        pytest.skip("a checkout without symbolic links")
    assert link.resolve() == (PACKAGE / "napari.yaml").resolve()


def test_manifest_commands_can_be_imported(manifest):
    pytest.importorskip("qtpy", exc_type=ImportError, reason="the docks need Qt")
    manifest.validate_imports()


def test_manifest_offers_the_docks(manifest):
    assert {w.display_name for w in manifest.contributions.widgets} >= WIDGETS


def test_menus_take_every_dock(manifest):
    """Napari drops what is contributed to any other of its menus, without a word."""
    from napari._app_model.constants import MenuId

    menus = manifest.contributions.menus
    assert set(menus) <= {str(menu) for menu in MenuId.contributables()}
    offered = {item.command for items in menus.values() for item in items}
    assert offered >= {w.command for w in manifest.contributions.widgets}


@pytest.mark.skipif(os.name == "nt", reason="the scripts are for a POSIX shell")
def test_scripts_can_be_run():
    root = PACKAGE.parent.parent
    scripts = [root / ".ci" / "run", *root.joinpath("tools").glob("*.sh")]
    assert [s.name for s in scripts if not os.access(s, os.X_OK)] == []
