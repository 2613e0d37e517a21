#!/bin/sh
# Run a command on the display, or on a virtual one where there is none.
set -eu
if [ "$(uname -s)" != Linux ] || [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    exec "$@"
fi
export SEGKIT_DEMO_EXIT=1 # nobody would close its window
exec xvfb-run -a -s "-screen 0 1600x1000x24" "$@"
