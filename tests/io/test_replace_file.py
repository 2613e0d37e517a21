"""Files appear when they are complete, or not at all, and what killed runs left is removed."""

import errno
import os
import stat
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from pandas import DataFrame

from napari_segkit.io import replace_file
from napari_segkit.io.coco.panoptic_files import write_panoptic
from napari_segkit.io.files import write_labels, write_probabilities
from napari_segkit.io.output_paths import (
    check_output_folder,
    check_output_path,
    require_inputs_kept,
    require_space,
    write_new,
)
from napari_segkit.io.replace_file import (
    ExistsError,
    atomic_write,
    cause,
    clear_left_parts,
    write_together,
)
from napari_segkit.io.writers import FileMetadata

LABELS = np.random.default_rng(0).integers(0, 200, (300, 300)).astype(np.uint8)  # not compressible
METADATA = FileMetadata("YX")


def write(path, text, *, overwrite=True):
    with atomic_write(path, overwrite=overwrite) as file:
        file.write(text)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture
def without_links(monkeypatch):
    """A disk without hard links, such as an exFAT stick."""

    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)


@pytest.mark.parametrize("links", [True, False])
def test_without_overwrite_a_file_that_appears_meanwhile_stays(tmp_path, links, request):
    if not links:
        request.getfixturevalue("without_links")
    path = tmp_path / "a.csv"
    write(path, b"new", overwrite=False)
    assert path.read_bytes() == b"new"
    path.unlink()
    contents = {path: lambda _: path.write_bytes(b"precious")}
    with pytest.raises(ExistsError, match="exists already"):
        write_together(contents, overwrite=False)
    assert path.read_bytes() == b"precious"
    assert names(tmp_path) == ["a.csv"]


def test_its_result_is_written_beside_it(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(b"precious")
    (tmp_path / "a-2.nii.gz").write_bytes(b"precious, too")
    with pytest.warns(UserWarning, match=r"a\.nii\.gz has appeared .*a-3\.nii\.gz\."):
        written = write_new(path, lambda file: write(file, b"result", overwrite=False))
    assert written == tmp_path / "a-3.nii.gz"
    assert written.read_bytes() == b"result"
    assert path.read_bytes() == b"precious"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_permissions_are_those_of_the_umask_or_of_the_replaced_file(tmp_path):
    new, old = tmp_path / "new", tmp_path / "old"
    old.touch()
    old.chmod(0o640)
    before = os.umask(0o027)
    try:
        write(new, b"a")
        write(old, b"a")
    finally:
        os.umask(before)
    assert [stat.S_IMODE(p.stat().st_mode) for p in (new, old)] == [0o640, 0o640]
    old.chmod(0o604)
    write(old, b"b")
    assert stat.S_IMODE(old.stat().st_mode) == 0o604


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "data").mkdir()
    file, link = tmp_path / "data/a.tif", tmp_path / "link.tif"
    file.write_bytes(b"old")
    link.symlink_to("data/a.tif")
    write(check_output_path(link, overwrite=True), b"new")
    assert link.is_symlink()
    assert file.read_bytes() == b"new"
    assert names(tmp_path / "data") == ["a.tif"]


def test_a_hard_link_is_left_as_it_was(tmp_path):
    """The other name of a replaced file may be a person's backup."""
    file, backup = tmp_path / "a.tif", tmp_path / "backup.tif"
    file.write_bytes(b"old")
    backup.hardlink_to(file)
    write(file, b"new")
    assert (file.read_bytes(), backup.read_bytes()) == (b"new", b"old")


@pytest.mark.parametrize(
    ("target", "said"),
    [("nothing", "a file that does not exist"), ("link.tif", "itself"), ("folder", "is a folder")],
)
def test_links_that_lead_to_no_file_are_refused(tmp_path, target, said):
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link.tif"
    link.symlink_to(target)
    with pytest.raises(ValueError, match=said):
        check_output_path(link, overwrite=True)
    with pytest.raises((ValueError, OSError), match=r"link\.tif"):
        write(link, b"a")
    assert names(tmp_path) == ["folder", "link.tif"]
    assert link.is_symlink()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x" * 300 + ".tif", "which is too long: give a shorter name"),
        ("x" * 300 + "/a.tif", "which is too long: give a shorter name"),
        ("file/a.tif", "There is no folder"),
        ("file/b/a.tif", "There is no folder"),
        ("folder", "is a folder"),
    ],
)
@pytest.mark.parametrize("overwrite", [True, False])
def test_impossible_names_are_told_before_the_work(tmp_path, name, said, overwrite):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=said):
        check_output_path(tmp_path / name, overwrite=overwrite)
    assert names(tmp_path) == ["file", "folder"]


def test_a_device_is_no_file():
    with pytest.raises(ValueError, match="is a device"):
        check_output_path(os.devnull, overwrite=True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
def test_a_device_is_never_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="pipe is a folder or a device, not a file"):
        write(pipe, b"a")
    assert pipe.is_fifo()
    assert names(tmp_path) == ["pipe"]


def test_a_new_folder_lies_in_one_that_takes_files(tmp_path):
    check_output_folder(tmp_path / "a/b/c")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file is no folder"):
        check_output_folder(tmp_path / "file/b")
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another user")
def test_places_without_permission_are_told_before_the_work():
    with TemporaryDirectory() as name:
        require_permission_told(Path(name))


def require_permission_told(folder):
    (folder / "a.tif").touch(mode=0o644)
    folder.chmod(0o755)  # others may read, not write
    asked = [folder / "b.tif", folder / "a.tif"]
    lines = ["import os, sys", "from napari_segkit.io.output_paths import check_output_path"]
    lines += ["os.setuid(65534)", "for path in sys.argv[1:]:", "  try:"]
    lines += ["    check_output_path(path, overwrite=True)", "  except ValueError as error:"]
    lines += ["    print(error)"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines), *asked], capture_output=True, text=True, check=True
    )
    new, protected = done.stdout.splitlines()
    assert new.startswith(f"Nothing can be written into {folder}: you may not write there")
    assert protected == f"{asked[1]} is protected against writing: choose another name."


def test_a_disk_without_space_for_a_known_size_is_told(tmp_path):
    require_space(tmp_path / "new/a.npy", 1)
    with pytest.raises(ValueError, match=r"a\.npy will take 1000000000000\.0 MB, but its disk has"):
        require_space(tmp_path / "new/a.npy", 10**18)


def writers(folder):
    table = DataFrame({"index": np.unique(LABELS)[1:], "class": "cell"})
    probabilities = np.stack([LABELS, LABELS]) / np.float32(7)
    metadata = FileMetadata("CYX")
    labels = {e: partial(write_labels, folder / f"a{e}", LABELS, METADATA) for e in
              (".tif", ".png", ".npy", ".nii", ".nii.gz")}  # fmt: skip
    maps = {e: partial(write_probabilities, folder / f"a{e}", probabilities, metadata) for e in
            (".tif", ".npy", ".nii", ".nii.gz")}  # fmt: skip
    return {
        **{f"labels{e}": writer for e, writer in labels.items()},
        **{f"probabilities{e}": writer for e, writer in maps.items()},
        "panoptic": partial(write_panoptic, folder / "a.png", LABELS, table),
        "tensors": partial(write_model, folder / "a.segkit"),
        "csv": partial(write_csv, folder / "a.csv", table),
    }


def write_model(path, *, overwrite):
    import torch

    from napari_segkit.tensor_file import write_tensors

    write_tensors(path, {"a": torch.zeros(20_000)}, "segkit", {}, overwrite=overwrite)


def write_csv(path, table, *, overwrite):
    text = table.to_csv().encode() * 100
    write_together({path: lambda file: file.write(text)}, overwrite=overwrite)


WRITERS = sorted(writers(Path()))


@pytest.fixture
def small_files():
    """Files of at most 8 kB, as with a full disk; the system call fails."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_cannot_be_completed_leaves_the_old_one(name, tmp_path, small_files):
    writer = writers(tmp_path)[name]
    writer(overwrite=False)
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    small_files()
    with pytest.raises(OSError, match=r"a\.\S+ cannot be written: a file may not be so large"):
        writer(overwrite=True)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_is_named_with_the_file(name, number, tmp_path, monkeypatch):
    def full(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)  # where a network drive tells it
    reason = cause(OSError(number, os.strerror(number)))
    with pytest.raises(OSError, match=rf"a\.\S+ cannot be written: {reason}\.$"):
        writers(tmp_path)[name](overwrite=False)
    assert not names(tmp_path)


def test_a_drive_that_cannot_wait_for_the_disk_is_written_to(tmp_path, monkeypatch):
    def refuse(_):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", refuse)
    write(tmp_path / "a", b"a")
    assert names(tmp_path) == ["a"]


def test_of_files_that_belong_together_none_appears_if_one_fails(tmp_path):
    def fail(file):
        raise OSError(errno.ENOSPC, "")

    contents = {tmp_path / n: lambda file: file.write(b"a") for n in "abc"}
    for broken in contents:
        with pytest.raises(OSError, match=f"{broken.name} cannot be written: the disk is full"):
            write_together({**contents, broken: fail})
        assert not names(tmp_path)


def part(folder, process, computer=None):
    computer = computer or replace_file._computer()
    file = folder / f".segkit-{computer}-{process}-0123abcd.part"
    file.write_bytes(b"half")
    return file


@pytest.fixture
def ended():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_part_files_of_killed_runs_are_removed_by_the_next(tmp_path, ended):
    part(tmp_path, ended)
    elsewhere = part(tmp_path, 1, "00000000")
    os.utime(elsewhere, (0, time.time() - 2 * 24 * 3600))
    write(tmp_path / "a", b"a")
    assert names(tmp_path) == ["a"]


def test_part_files_that_may_be_in_use_and_those_of_others_stay(tmp_path, ended):
    living = part(tmp_path, os.getppid()), part(tmp_path, ended, "00000000")
    digest = replace_file._computer()
    owned = ["film.part", ".film.part", f".segkit-{digest}-{ended}.part", f".a.{ended}.part"]
    owned += [f".segkit-{digest}-{10**12}-0123abcd.part"]
    owned += [f"segkit-{digest}-{ended}-0123abcd.part", f".segkit-{digest}-{ended}-0123abcd.part1"]
    for name in owned:
        (tmp_path / name).touch()
    clear_left_parts(tmp_path)
    assert names(tmp_path) == sorted([*owned, *(p.name for p in living)])


def test_spare_folders_of_killed_runs_are_removed_by_the_next(tmp_path, ended, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left, used, saved = (tmp_path / f"segkit-{name}" for name in ("left", "used", "saved"))
    for folder in (left, used, saved):
        folder.mkdir()
    part(left, ended)
    (saved / "a.segkit").touch()
    made = {replace_file.make_spare_folder()}
    assert set(tmp_path.iterdir()) == {left, used, saved} | made  # may be in use
    for folder in (left, saved):
        os.utime(folder, (0, 0))
    made.add(replace_file.make_spare_folder())
    assert set(tmp_path.iterdir()) == {used, saved} | made


def test_a_killed_run_leaves_what_the_next_one_removes(tmp_path):
    lines = "from pathlib import Path; from napari_segkit.io.replace_file import atomic_write\n"
    lines += f"with atomic_write(Path({str(tmp_path)!r}) / 'a') as file:\n"
    lines += "  import os; file.write(b'half'); file.flush(); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", lines], check=False)
    (left,) = names(tmp_path)
    assert replace_file.PART.fullmatch(left)
    write(tmp_path / "a", b"whole")
    assert names(tmp_path) == ["a"]


def test_an_input_is_known_by_all_its_names(tmp_path):
    image = tmp_path / "image.tif"
    image.touch()
    (tmp_path / "folder").symlink_to(tmp_path)
    for other in ("link", "hard"):
        path = tmp_path / f"{other}.tif"
        path.symlink_to(image) if other == "link" else path.hardlink_to(image)
        with pytest.raises(ValueError, match=rf"{other}\.tif is an input \(.*image\.tif\), and"):
            require_inputs_kept([path], [image])
    with pytest.raises(ValueError, match=r"folder.image\.tif is an input \("):
        require_inputs_kept([tmp_path / "folder/image.tif"], [image])
    require_inputs_kept([tmp_path / "new.tif", tmp_path / "folder/new.tif"], [image])
