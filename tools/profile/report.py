#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright The dstack for Linux authors
"""Say where the instructions that profile.so counted went.

Reads the plugin's file, and what the guest left: phases (NUMBER NAME),
samples, and kallsyms.NAME of each part of the measurement. Without names of
phases, lists them, and compares what was counted in them with the ticks that
the guest saw pass. With one, prints its functions; with two, what the second
took more.
"""

import argparse
import bisect
import collections
import os
import sys

USER = "[programs]"
TOP = 40
# Of what the guest measured from begin to end, this much may be miscounted.
TOLERANCE = 0.002


class Symbols:
    """Addresses to names, from a copy of /proc/kallsyms."""

    def __init__(self, path):
        found = []
        with open(path, encoding="ascii") as file:
            for line in file:
                words = line.split()
                if words[1] in "tTwW":
                    found.append((int(words[0], 16), " ".join(words[2:])))
        # Of several names of one address the first in the file.
        found.sort(key=lambda entry: entry[0])
        self.addresses = [address for address, _ in found]
        self.names = [name for _, name in found]
        self.known = {}

    def name(self, text):
        """The function that an address in hexadecimal digits is in."""
        if text not in self.known:
            at = bisect.bisect_right(self.addresses, int(text, 16)) - 1
            while at > 0 and self.addresses[at - 1] == self.addresses[at]:
                at -= 1
            self.known[text] = self.names[at] if at >= 0 else text
        return self.known[text]


class Profile:
    """One phase: instructions by function, and by function with callees."""

    def __init__(self):
        self.own = collections.Counter()
        self.paths = collections.Counter()

    def add(self, path, instructions):
        self.own[path[-1]] += instructions
        self.paths[path] += instructions

    def below(self):
        """Instructions of each function and all that it called."""
        total = collections.Counter()
        for path, instructions in self.paths.items():
            for name in set(path):
                total[name] += instructions
        return total

    def under(self, root):
        """The part whose paths go through root, beginning there."""
        part = Profile()
        for path, instructions in self.paths.items():
            for depth, name in enumerate(path):
                if name.split(" ")[0] == root:
                    part.add(path[depth:], instructions)
                    break
        return part


def merge(path):
    """A function that goes on in another block calls nobody."""
    return tuple(name for at, name in enumerate(path)
                 if at == 0 or name != path[at - 1])


def read_phases(directory):
    with open(os.path.join(directory, "phases"), encoding="ascii") as file:
        return {name: number for number, name in
                (line.split() for line in file)}


def read(args, number, symbols):
    profile = Profile()
    with open(args.profile, encoding="ascii") as file:
        for line in file:
            phase, instructions, path = line.split()
            if phase != number:
                continue
            if path == "user":
                names = (USER,)
            else:
                names = merge([symbols.name(address)
                               for address in path.split(";")])
            profile.add(names, int(instructions))
    return profile


def table(rows, head, count):
    print(f"{'each':>10} {'share':>7}  {head}")
    total = sum(value for _, value in rows[1])
    for name, value in rows[0][:TOP]:
        share = value / total if total else 0
        print(f"{value / count:10.0f} {share:7.2%}  {name}")


def print_one(profile, count, args):
    if args.under:
        profile = profile.under(args.under)
    own = profile.own.most_common()
    total = sum(profile.own.values())
    print(f"{total / count:.0f} instructions each, in all\n")
    print("By function, without what it calls:")
    table((own, own), "function", count)
    print("\nBy function, with all that it calls:")
    table((profile.below().most_common(), own), "function", count)
    if args.under:
        print_tree(profile, count)


def print_tree(profile, count):
    """What it calls, what they call, and so on, largest first."""
    children = collections.defaultdict(collections.Counter)
    for path, instructions in profile.paths.items():
        for depth in range(1, len(path) + 1):
            children[path[:depth - 1]][path[:depth]] += instructions
    total = sum(profile.own.values())

    def walk(path, value, depth):
        own = profile.paths.get(path, 0)
        print(f"{value / count:10.0f} {own / count:9.0f}  "
              + "  " * depth + path[-1])
        for child, below in children[path].most_common():
            if below >= total / 200:
                walk(child, below, depth + 1)

    print(f"\n{'each':>10} {'own':>9}  call tree")
    for path, value in children[()].most_common():
        walk(path, value, 0)


def print_difference(base, other, count):
    total = (sum(other.own.values()) - sum(base.own.values())) / count
    print(f"{total:+.0f} instructions each, in all")
    for what, left, right in (
            ("without what it calls", base.own, other.own),
            ("with all that it calls", base.below(), other.below())):
        rows = [(name, (right[name] - left[name]) / count)
                for name in left.keys() | right.keys()]
        rows.sort(key=lambda row: -abs(row[1]))
        print(f"\nBy function, {what}:")
        print(f"{'each':>10} {'was':>10}  function")
        for name, value in rows[:TOP]:
            print(f"{value:+10.0f} {left[name] / count:10.0f}  {name}")


def read_ticks(directory):
    """The sum of each series of samples."""
    with open(os.path.join(directory, "samples"), encoding="ascii") as file:
        return {name: sum(map(int, values)) for name, *values in
                (line.split() for line in file)}


def compare(args, phases):
    """Do the counts agree with the ticks? Only execs are all measured."""
    ticks = read_ticks(args.guest)
    counted = collections.Counter()
    with open(args.profile, encoding="ascii") as file:
        for line in file:
            phase, instructions, _ = line.split()
            counted[phase] += int(instructions)
    agree = True
    print(f"{'counted':>12} {'ticks':>12}  phase")
    for name, number in phases.items():
        print(f"{counted[number] / args.count:12.0f} "
              f"{ticks[name] / args.count:12.0f}  {name}")
        if ".exec." in name:
            error = abs(counted[number] / ticks[name] - 1)
            agree = agree and error <= TOLERANCE
    if not agree:
        print("the plugin does not count what the guest measures",
              file=sys.stderr)
    return 0 if agree else 1


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", required=True,
                        help="what profile.so wrote")
    parser.add_argument("--guest", required=True,
                        help="directory with phases and kallsyms.*")
    parser.add_argument("--count", type=int, required=True,
                        help="samples in each phase")
    parser.add_argument("--under", metavar="FUNCTION",
                        help="only what this function takes, as a tree too")
    parser.add_argument("phase", nargs="*")
    return parser.parse_args()


def load(args, phases, name):
    if name not in phases:
        sys.exit(f"report.py: no phase '{name}', there are: "
                 + " ".join(phases))
    symbols = Symbols(os.path.join(args.guest,
                                   "kallsyms." + name.split(".", 1)[0]))
    return read(args, phases[name], symbols)


def main():
    args = parse_args()
    phases = read_phases(args.guest)
    if not args.phase:
        return compare(args, phases)
    if len(args.phase) == 1:
        print_one(load(args, phases, args.phase[0]), args.count, args)
    elif len(args.phase) == 2:
        base, other = (load(args, phases, name) for name in args.phase)
        print_difference(base, other, args.count)
    else:
        sys.exit("report.py: one phase, or two to compare")
    return 0


if __name__ == "__main__":
    sys.exit(main())
