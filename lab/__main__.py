"""The command line: `python -m lab up | reset | status | down`."""

from __future__ import annotations

import argparse
import sys

import requests
from docker.errors import DockerException

from lab import engine, health, machines, state
from lab.errors import LabError
from lab.progress import say
from lab.reset import reset
from lab.shape import Shape, parse_size
from lab.state import Lab
from lab.up import down, summary, up


def main(arguments: list[str]) -> int:
    """Exit code 0, or 1 with one line that says what is wrong."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "up":
            shape = Shape(options.masters, options.etcd, options.workers, parse_size(options.database))
            print(summary(up(shape)))
        elif options.command == "down":
            down(engine.connect())
        elif options.command == "reset":
            reset(Lab.load())
        else:
            return _status(Lab.load())
    except KeyboardInterrupt:
        print("interrupted: `python -m lab up` starts over", file=sys.stderr)
        return 1
    except (LabError, DockerException, requests.RequestException, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    say("ready" if options.command != "down" else "gone")
    return 0


def _status(lab: Lab) -> int:
    print(summary(lab))
    names = [node.container for node in lab.plan.nodes] + [state.LOAD_BALANCER]
    standing = machines.stopped(lab.client, names)
    found = ["machines are missing"] if standing is None else [f"{n}: stopped" for n in standing]
    found += health.problems(lab)
    print("\n".join(found) if found else "healthy, on its stacked etcd")
    return 1 if found else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("up", help="make the lab, or start it, or find it running")
    make.add_argument("--masters", type=int, default=3)
    make.add_argument("--etcd", type=int, default=3)
    make.add_argument("--workers", type=int, default=0)
    make.add_argument("--database", default="0", metavar="SIZE", help="such as 20MB")
    commands.add_parser("reset", help="back to how `up` left it, whatever was done since")
    commands.add_parser("status", help="what runs, and whether it is healthy")
    commands.add_parser("down", help="remove it; what was built stays cached")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
