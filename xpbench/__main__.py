"""`xpbench` and `python -m xpbench`: the command line, cancelled in one line even while it is still loading."""

from __future__ import annotations

import sys


def main() -> int:
    """Load the command line and run it; Ctrl-C before its own answer is ready ends with 130 and no traceback."""
    try:
        from xpbench.cli import main as command

        return command()
    except KeyboardInterrupt:
        sys.stderr.write("Cancelled; nothing half-written was left behind.\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
