#!/bin/sh
# Make .venv and install napari-segkit with everything its tests need.
set -eu
cd "$(dirname "$0")/.."

suitable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    for name in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
        if suitable "$name"; then
            command -v "$name"
            return
        fi
    done
    echo "napari-segkit needs Python 3.11 or newer, and ${PYTHON:-this machine} has none:" \
        "install it, or name it with 'make PYTHON=/path/to/python3.13'." >&2
    return 1
}

if [ ! -e .venv/pyvenv.cfg ]; then
    python=$(find_python)
    echo "Making .venv with $python"
    "$python" -m venv .venv || {
        rm -rf .venv
        echo "Python's venv module is incomplete here; on Debian or Ubuntu:" \
            "sudo apt-get install python3-venv" >&2
        exit 1
    }
fi
if [ -d .venv/Scripts ]; then python=.venv/Scripts/python; else python=.venv/bin/python; fi
"$python" tools/system_libraries.py

# Both from one index: a torchvision from elsewhere fails to import beside a CPU-only torch.
"$python" -m pip install torch torchvision ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}
"$python" -m pip install -e ".[test]"
"$python" -c "import torchvision" || {
    echo "torch and torchvision do not fit together: remove .venv, check that pip takes both" \
        "from one index ('pip config list'), or name one with TORCH_INDEX, and try again." >&2
    exit 1
}
