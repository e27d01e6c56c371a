"""The command ``sharray``, as ``python -m sharray`` and as the script that is installed with the package."""

from __future__ import annotations

import signal
import sys

from sharray._sharray import _command


def main() -> int:
    """Runs the command with the arguments of this process, and returns its exit code."""
    # The interpreter never comes to look at its own signals while the command runs.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _command(["sharray", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
