"""The command line: `python -m demo`.

Exit code 0 if nothing is missing and nothing differs, 1 otherwise, with one line for each fault.
"""

from __future__ import annotations

import argparse
import sys

from demo.errors import DemoError
from demo.story import Options, tell
from lab import LabError


def main(arguments: list[str]) -> int:
    """Run the demonstration; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    options = Options(
        objects=chosen.objects,
        after_seconds=chosen.after,
        with_floor=not chosen.skip_floor,
        keep=chosen.keep,
    )
    try:
        return 0 if tell(options) else 1
    except KeyboardInterrupt:
        print("interrupted: the lab is left as it is; `python -m lab reset` restores it")
    except (DemoError, LabError) as error:
        print(f"FAILED: {error}")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description="Migrate a lab under live writes and prove that nothing was lost.",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave the lab running; else one that was started for this is removed on success",
    )
    parser.add_argument("--objects", type=_count, default=2000, metavar="N", help="loaded beforehand (2000)")
    parser.add_argument(
        "--after",
        type=_count,
        default=120,
        metavar="SECONDS",
        help="how long to go on writing after the migration (120)",
    )
    parser.add_argument("--skip-floor", action="store_true", help="do not measure what a bare restart takes")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is negative")
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
