"""Check the system libraries that Qt and OpenGL need on Linux, and install what is missing.

They are installed where that needs no question (as root, or with a sudo that asks for no
password); elsewhere the exact command is printed and the set-up stops.
"""

import ctypes
import glob
import os
import shlex
import shutil
import subprocess
import sys

# What to look for -> its package for each package manager.
MANAGERS = ("apt-get", "dnf", "pacman", "zypper")
LIBRARIES = {
    "libEGL.so.1": ("libegl1", "libglvnd-egl", "libglvnd", "libglvnd"),
    "libGL.so.1": ("libgl1", "libglvnd-glx", "libglvnd", "libglvnd"),
    "libX11-xcb.so.1": ("libx11-xcb1", "libX11-xcb", "libx11", "libX11-xcb1"),
    "libdbus-1.so.3": ("libdbus-1-3", "dbus-libs", "dbus", "libdbus-1-3"),
    "libfontconfig.so.1": ("libfontconfig1", "fontconfig", "fontconfig", "fontconfig"),
    "libglib-2.0.so.0": ("libglib2.0-0", "glib2", "glib2", "libglib-2_0-0"),
    "libxcb-cursor.so.0": (
        "libxcb-cursor0", "xcb-util-cursor", "xcb-util-cursor", "libxcb-cursor0",
    ),
    "libxcb-icccm.so.4": ("libxcb-icccm4", "xcb-util-wm", "xcb-util-wm", "libxcb-icccm4"),
    "libxcb-image.so.0": ("libxcb-image0", "xcb-util-image", "xcb-util-image", "libxcb-image0"),
    "libxcb-keysyms.so.1": (
        "libxcb-keysyms1", "xcb-util-keysyms", "xcb-util-keysyms", "libxcb-keysyms1",
    ),
    "libxcb-randr.so.0": ("libxcb-randr0", "libxcb", "libxcb", "libxcb-randr0"),
    "libxcb-render-util.so.0": (
        "libxcb-render-util0", "xcb-util-renderutil", "xcb-util-renderutil", "libxcb-render-util0",
    ),
    "libxcb-shape.so.0": ("libxcb-shape0", "libxcb", "libxcb", "libxcb-shape0"),
    "libxcb-xkb.so.1": ("libxcb-xkb1", "libxcb", "libxcb", "libxcb-xkb1"),
    "libxkbcommon-x11.so.0": (
        "libxkbcommon-x11-0", "libxkbcommon-x11", "libxkbcommon-x11", "libxkbcommon-x11-0",
    ),
}  # fmt: skip
PROGRAMS = {
    "xvfb-run": ("xvfb", "xorg-x11-server-Xvfb", "xorg-server-xvfb", "xvfb-run"),
    "xauth": ("xauth", "xorg-x11-xauth", "xorg-xauth", "xauth"),
}
DRIVER = ("libgl1-mesa-dri", "mesa-dri-drivers", "mesa", "Mesa-dri")
INSTALL = {
    "apt-get": ["apt-get", "install", "-y", "--no-install-recommends"],
    "dnf": ["dnf", "install", "-y"],
    "pacman": ["pacman", "-S", "--noconfirm", "--needed"],
    "zypper": ["zypper", "--non-interactive", "install"],
}


def loads(library):
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing():
    """The rows of packages of what is not there; a display of its own needs no virtual one."""
    rows = [row for library, row in LIBRARIES.items() if not loads(library)]
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return rows
    rows += [row for program, row in PROGRAMS.items() if not shutil.which(program)]
    folders = ("/usr/lib*/dri", "/usr/lib*/*-linux-gnu*/dri", "/run/opengl-driver/lib/dri")
    if not any(glob.glob(f"{folder}/swrast_dri.so") for folder in folders):
        rows.append(DRIVER)
    return rows


def commands(manager, packages):
    """What to run, in order."""
    update = [["apt-get", "update"]] if manager == "apt-get" else []
    return [*update, [*INSTALL[manager], *packages]]


def privilege():
    """The words to put before a command that changes the system, or None where we may not."""
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        return None
    sudo = ["sudo", "-n"]
    asks = subprocess.run([*sudo, "true"], capture_output=True).returncode
    return None if asks else sudo


def main():
    rows = missing() if sys.platform == "linux" else []
    if not rows:
        return
    manager = next((m for m in MANAGERS if shutil.which(m)), None)
    column = MANAGERS.index(manager or "apt-get")
    packages = sorted({row[column] for row in rows})
    if manager is None:
        sys.exit(f"Qt needs these libraries, named as Debian names them: {' '.join(packages)}")
    todo = commands(manager, packages)
    prefix = privilege()
    if prefix is None:
        lines = "\n".join(f"  sudo {shlex.join(command)}" for command in todo)
        sys.exit(f"Qt needs some system libraries; install them and try again:\n{lines}")
    for command in todo:
        print("Running", shlex.join([*prefix, *command]), flush=True)
        if subprocess.run([*prefix, *command]).returncode:
            sys.exit(f"That failed; the system libraries Qt needs are: {' '.join(packages)}")


if __name__ == "__main__":
    main()
