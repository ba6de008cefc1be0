#!/usr/bin/env python3
"""Prints what the engines gave as one table; exit status 1 unless all was expected.

    report.py RESULTS
"""

import argparse
import collections
import sys

import outcome


def number(value, digits):
    return "-" if value is None else f"{value:.{digits}f}"


def print_table(rows):
    header = ("architecture", "engine", "format", "share", "result", "to reference",
              "to original")
    cells = [(row.name, row.engine, row.format,
              "-" if row.share is None else f"{row.share:.0%}",
              row.result if row.expected else row.result.upper(),
              number(row.to_reference, 6), number(row.to_original, 4)) for row in rows]
    widths = [max(len(line[i]) for line in [header, *cells]) for i in range(len(header))]
    for line in [header, *cells]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def print_details(title, rows):
    if rows:
        print(f"\n{title}:")
    for row in rows:
        print(f"  {row.name}, {row.engine}, {row.format}: {row.detail}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results")
    rows = outcome.read(parser.parse_args().results)
    if not rows:
        raise SystemExit("error: no architecture was tried: see what the engines printed above")
    print_table(rows)
    print("\nshare: of the weights of linear layers and experts, what is INT8; cosines: of the "
          "outputs, INT8 weights alone\nagainst codes * scales, and as the engine runs "
          "them against the original")
    unexpected = [row for row in rows if not row.expected]
    print_details("no INT8", [row for row in rows
                              if row.expected and row.result == outcome.NONE])
    print_details("cannot be tried here", [row for row in rows
                                           if row.result == outcome.ABSENT])
    print_details("wrong, as expected", [row for row in rows if row.expected
                                         and row.result == outcome.WRONG])
    print_details("NOT AS EXPECTED", unexpected)
    counts = collections.Counter((row.engine, row.format, row.result) for row in rows)
    print()
    for (engine, form, result), count in sorted(counts.items()):
        print(f"{engine} {form}: {count} {result}")
    if unexpected:
        print(f"error: {len(unexpected)} of {len(rows)} are not as expected", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
