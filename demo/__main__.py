"""`python -m demo`, which is what `lanyard demo` runs."""

from __future__ import annotations

import argparse
import sys

from .hospital import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="lanyard demo")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--patients")
    parser.add_argument("--walk", action="store_true")
    parser.add_argument("--json")
    given = parser.parse_args()
    return run(port=given.port, patients=given.patients, walk=given.walk, json_path=given.json)


if __name__ == "__main__":
    sys.exit(main())
