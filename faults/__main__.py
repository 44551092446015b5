"""The command line: `python -m faults`.

Exit code 0 if every row has passed, 1 otherwise, with one line for each fault of a row.
"""

from __future__ import annotations

import argparse
import sys

from faults import matrix, report, rows
from faults.errors import EXPECTED_ERRORS, told
from lab import Lab


def main(arguments: list[str]) -> int:
    """Run the rows that were asked for; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        selection = rows.named(chosen.only) if chosen.only else rows.short() if chosen.short else rows.ROWS
        if chosen.list:
            print(report.listing(selection))
            return 0
        results = matrix.run_rows(Lab.load(), selection)
    except KeyboardInterrupt:
        print("interrupted: the lab is left as it is; `python -m lab reset` restores it")
        return 1
    except EXPECTED_ERRORS as error:
        print(f"FAILED: {told(error)}")
        return 1
    print(report.render(results), flush=True)
    return 0 if all(result.passed for result in results) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m faults",
        description="Bring faults into migrations of the lab under live writes; nothing may be lost.",
    )
    parser.add_argument("--list", action="store_true", help="show the rows and stop; needs no lab")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--only", nargs="+", metavar="NAME", help="run these rows")
    which.add_argument("--short", action="store_true", help="run the rows that `make test` runs")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
