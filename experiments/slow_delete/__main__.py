"""The command line: `python -m experiments.slow_delete`.

Exit code 0 if every situation that was asked for could be built and measured, 1 otherwise. What is
found is no failure, however slow it is.
"""

from __future__ import annotations

import argparse
import sys

from experiments.slow_delete import report, results, situations
from experiments.slow_delete.bench import Measure
from experiments.slow_delete.errors import EXPECTED_ERRORS
from lab import Lab
from lab.paths import STATE
from lab.progress import say

FILE = STATE / "slow-delete.json"


def main(arguments: list[str]) -> int:
    """Run the situations that were asked for and print all that is known; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    measure = Measure(chosen.rounds, chosen.give_up, chosen.writes)
    failed = False
    try:
        plans = situations.named(chosen.only or situations.NAMES)
        if chosen.list:
            print("\n".join(f"{plan.name:18}{plan.what}" for plan in plans))
            return 0
        found = results.load(FILE)
        lab = Lab.load()
        for plan in plans:
            try:
                say(f"{plan.name}: {plan.what}")
                situation = situations.run(lab, plan, measure)
            except EXPECTED_ERRORS as error:
                failed = True
                say(f"FAILED: {plan.name}: {' '.join(str(error).split())}")
                continue
            found = found.with_situation(situation)
            results.save(FILE, found)
        print(report.render(found), flush=True)
    except KeyboardInterrupt:
        print("interrupted: the lab is left as it is; `python -m lab reset` restores it")
        return 1
    except EXPECTED_ERRORS as error:
        print(f"FAILED: {error}")
        return 1
    say(f"kept in {FILE.relative_to(STATE.parent)}; the lab is left in the last situation")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.slow_delete",
        description="Build what may make pods slow after a migration by hand, and time pods in it.",
    )
    parser.add_argument("--list", action="store_true", help="show the situations and stop; needs no lab")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="run these; others keep their last result")
    parser.add_argument(
        "--rounds", type=_positive, default=1, metavar="N", help="new pods per node and API server (1)"
    )
    parser.add_argument(
        "--give-up", type=_positive, default=90, metavar="SECONDS", help="the longest wait for a pod (90)"
    )
    parser.add_argument(
        "--writes", type=_positive, default=1000, metavar="N", help="revisions after the snapshot (1000)"
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
