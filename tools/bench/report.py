#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
"""Make figures of what the machine measured, and hold them against the bars.

Reads the directory that guest.sh filled, prints a table for people, and
writes the figures as JSON. What could not be measured is null, with a reason.
"""

import argparse
import json
import os
import statistics
import sys

PROGRAMS = ("static", "dynamic", "musl")
# The lowest part of the samples is what an exec takes if neither the timer nor
# an empty list of free pages falls into it.  It repeats far better than a mean,
# and leaves out what the kernel defers: figures with "all" in their name have
# that too.
USUAL = 0.4
MIB = 1 << 20
# How a reason begins that is a wish.
LEFT_OUT = "left out"

# Claim, figure, its limit, unit.
BARS = (
    ("ticks_are_instructions", "tick_error", 0, "ticks"),
    ("baseline_is_steady_within_half_a_percent", "drift_pct", 0.5, "%"),
    ("warm_exec_in_measure_every_costs_at_most_3_percent",
     "warm_every_pct", 3, "%"),
    ("warm_dynamic_exec_in_measure_every_costs_at_most_3_percent",
     "warm_dynamic_every_pct", 3, "%"),
    ("warm_exec_in_measure_first_costs_at_most_half_a_percent",
     "warm_first_pct", 0.5, "%"),
    # A dynamic program's loader and C library have their bar below.  What is
    # left asks hooks some thirty times, which dismiss the question at once.
    ("warm_dynamic_exec_in_measure_first_costs_three_quarters_and_its_maps",
     "warm_dynamic_first_less_maps_pct", 0.75, "%"),
    ("cold_exec_costs_its_hash_and_at_most_50000_instructions",
     "cold_over_hash_instructions", 50000, "instructions"),
    ("cold_exec_with_fsverity_does_not_grow_with_the_file",
     "verity_instructions_per_mib", 1000, "instructions/MiB"),
    ("mapping_of_a_cached_library_costs_at_most_2000_instructions",
     "mmap_cached_instructions", 2000, "instructions"),
    ("key_as_bytes_costs_at_most_40000_instructions",
     "key_bytes_instructions", 40000, "instructions"),
    ("key_as_a_handle_costs_at_most_40000_instructions",
     "key_handle_instructions", 40000, "instructions"),
    ("hmac_by_a_handle_costs_at_most_40000_instructions",
     "key_hmac_instructions", 40000, "instructions"),
    ("unsealing_4_kib_costs_at_most_80000_instructions",
     "key_unseal_instructions", 80000, "instructions"),
    ("lookup_in_100000_is_as_fast_as_in_1000_within_10_percent",
     "lookup_100k_vs_1k_pct", 10, "%"),
    # A nanosecond for each, that is.
    ("policy_of_100000_is_loaded_with_2000000000_instructions",
     "policy_load_100k_instructions", 2e9, "instructions"),
    ("policy_of_100000_is_loaded_in_2_seconds",
     "policy_load_100k_seconds", 2, "s"),
)


class Samples:
    """Series by name, as the guest wrote them."""

    def __init__(self, paths):
        self.series = {}
        for path in paths:
            if not os.path.exists(path):
                continue
            with open(path, encoding="ascii") as file:
                for line in file:
                    name, *values = line.split()
                    self.series.setdefault(name, []).extend(
                        int(value) for value in values)

    def all(self, name):
        """Mean of all samples, None if there are none."""
        values = self.series.get(name)
        return statistics.fmean(values) if values else None

    def usual(self, name):
        """Mean of the undisturbed ones."""
        values = sorted(self.series.get(name, ()))
        part = values[:max(1, int(len(values) * USUAL))]
        return statistics.fmean(part) if part else None

    def base(self, what, how):
        """What it costs without the module, before and after."""
        both = [how(f"{phase}.{what}") for phase in ("base1", "base2")]
        both = [value for value in both if value is not None]
        return statistics.fmean(both) if both else None

    def sizes(self, what):
        """Usual cost by size in bytes, of series that end with KiB."""
        prefix = what + "."
        return {int(name[len(prefix):]) * 1024: self.usual(name)
                for name in self.series if name.startswith(prefix)}


def fit(points):
    """Constant and slope of the line nearest to points {x: y}."""
    slope, constant = statistics.linear_regression(list(points),
                                                   list(points.values()))
    return constant, slope


def minus(left, right):
    return None if left is None or right is None else left - right


def percent(value, base):
    if value is None or base is None:
        return None
    return (value / base - 1) * 100


def exec_figures(samples, figures):
    """Warm execs, of each program in each phase."""
    for program in PROGRAMS:
        name = "warm" if program == "static" else f"warm_{program}"
        what = f"exec.{program}"
        base = samples.base(what, samples.usual)
        base_all = samples.base(what, samples.all)
        figures[f"{name}_base_instructions"] = base
        for phase in ("every", "first"):
            usual = samples.usual(f"{phase}.{what}")
            figures[f"{name}_{phase}_instructions"] = minus(usual, base)
            figures[f"{name}_{phase}_pct"] = percent(usual, base)
            figures[f"{name}_{phase}_all_pct"] = percent(
                samples.all(f"{phase}.{what}"), base_all)
        ima = "ima_warm" if program == "static" else f"ima_{name}"
        usual = samples.usual(f"ima.{what}")
        figures[f"{ima}_instructions"] = minus(usual, base)
        figures[f"{ima}_pct"] = percent(usual, base)
        running_figures(samples, figures, name, what, base_all)


def running_figures(samples, figures, name, what, base):
    """The same with the daemon at work, and what it takes itself."""
    series = samples.series
    running = f"running.{what}"
    if running not in series:
        return
    count = len(series[running])
    # What it did after the last exec belongs to the execs as well.
    daemon = series[running + ".daemon"][0]
    own = series[running + ".elapsed"][0] - series[running + ".other"][0]
    figures[f"{name}_running_pct"] = percent(own / count, base)
    figures[f"{name}_dstackd_instructions"] = daemon / count
    figures[f"{name}_total_pct"] = percent((own + daemon) / count, base)


def drift(samples):
    """The largest change of a baseline, in percent."""
    changes = [percent(samples.usual(f"base2.exec.{program}"),
                       samples.usual(f"base1.exec.{program}"))
               for program in PROGRAMS]
    return max((abs(change) for change in changes if change is not None),
               default=None)


def cold_figures(samples, figures):
    """First execs: what they take more than a warm one, and than the hash."""
    cold, warm = samples.sizes("every.cold"), samples.sizes("base1.cold")
    content = samples.sizes("every.content")
    verity = samples.sizes("every.verity")
    again = samples.sizes("every.verity_again")
    ima = samples.sizes("ima.cold")
    for name in ("hash", "content"):
        sizes = samples.sizes(f"every.{name}")
        figures[f"{name}_instructions_per_byte"] = \
            fit(sizes)[1] if len(sizes) > 1 else None
    if len(cold) > 1 and cold.keys() == warm.keys() == content.keys():
        own = {size: cold[size] - warm[size] for size in cold}
        over = {size: own[size] - content[size] for size in own}
        figures["cold_constant_instructions"], \
            figures["cold_instructions_per_byte"] = fit(own)
        figures["cold_over_hash_instructions"] = max(over.values())
        figures["cold_over_hash_by_size"] = over
        figures["cold_over_bare_hash_by_size"] = {
            size: own[size] - figures["hash_instructions_per_byte"] * size
            for size in own}
    if len(ima) > 1 and ima.keys() == warm.keys() == content.keys():
        figures["ima_cold_over_hash_by_size"] = {
            size: ima[size] - warm[size] - content[size] for size in ima}
    if len(verity) > 1 and verity.keys() == again.keys():
        own = {size: verity[size] - again[size] for size in verity}
        constant, slope = fit(own)
        figures["verity_constant_instructions"] = constant
        figures["verity_instructions_per_mib"] = slope * MIB
        figures["verity_by_size"] = own


def less_maps(figures):
    """What a dynamic exec costs besides the two libraries that it maps."""
    base, added, mapped = (figures[name] for name in (
        "warm_dynamic_base_instructions", "warm_dynamic_first_instructions",
        "mmap_first_instructions"))
    if None in (base, added, mapped):
        return None
    return (added - 2 * mapped) / base * 100


def other_figures(samples, figures):
    """Mappings, the log, lookups, loading, bystanders."""
    base = samples.base("map", samples.usual)
    figures["mmap_base_instructions"] = base
    figures["mmap_cached_instructions"] = minus(
        samples.usual("every.map"), base)
    figures["mmap_first_instructions"] = minus(
        samples.usual("first.map"), base)
    figures["warm_dynamic_first_less_maps_pct"] = less_maps(figures)
    figures["log_append_instructions"] = samples.usual("every.extend")
    figures["host_every_pct"] = percent(samples.usual("every.host"),
                                        samples.base("host", samples.usual))
    for which in ("known", "unknown"):
        name = "lookup" if which == "known" else "lookup_unknown"
        for size in ("1k", "100k"):
            figures[f"{name}_{size}_instructions"] = minus(
                samples.usual(f"lookup.lookup.{which}_{size}"),
                samples.usual(f"lookup.absent.known_{size}"))
        figures[f"{name}_100k_vs_1k_pct"] = percent(
            figures[f"{name}_100k_instructions"],
            figures[f"{name}_1k_instructions"])
    figures["policy_load_100k_instructions"] = samples.all("lookup.load_100k")
    for what in ("bytes", "handle", "hmac", "seal", "unseal"):
        figures[f"key_{what}_instructions"] = samples.usual(f"keys.{what}")
    loads = samples.series.get("policy_load")
    figures["policy_load_100k_seconds"] = min(loads) / 1000 if loads else None


def make_figures(samples):
    figures = {}
    ticks = samples.series.get("calibrate", ())
    figures["tick_error"] = max((abs(value - 2000) for value in ticks),
                                default=None)
    figures["drift_pct"] = drift(samples)
    exec_figures(samples, figures)
    for name in ("cold_over_hash_instructions", "verity_instructions_per_mib"):
        figures[name] = None
    cold_figures(samples, figures)
    other_figures(samples, figures)
    return figures


def read_reasons(path, figures):
    """Why a figure is missing; the guest names phases."""
    reasons = {}
    given = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            given = dict(line.rstrip("\n").split(" ", 1) for line in file)
    for name, value in figures.items():
        if value is None:
            reasons[name] = next(
                (text for phase, text in given.items()
                 if phase in name.split("_")), "it was not measured")
    return reasons


def judge(figures, reasons):
    """A bar is met, or missed, or (None) nobody wanted to know."""
    bars = []
    for claim, name, limit, unit in BARS:
        value = figures[name]
        bar = {"claim": claim, "figure": name, "limit": limit, "unit": unit,
               "value": value, "met": value is not None and value <= limit}
        if value is None:
            bar["reason"] = reasons[name]
            if reasons[name].startswith(LEFT_OUT):
                bar["met"] = None
        bars.append(bar)
    return bars


def spread(samples):
    """What stands behind each figure."""
    return {name: {"samples": len(values),
                   "usual": samples.usual(name),
                   "mean": samples.all(name),
                   "median": statistics.median(values),
                   "min": min(values), "max": max(values)}
            for name, values in samples.series.items()}


def number(value, digits=0):
    return "-" if value is None else f"{value:,.{digits}f}"


def print_execs(figures):
    print(f"{'Warm exec':24} {'static':>12} {'dynamic':>12} {'musl':>12}")
    rows = (("without the module", "{}_base_instructions", 0),
            ("measure=every, added", "{}_every_instructions", 0),
            ("  in percent", "{}_every_pct", 2),
            ("  deferred work too", "{}_every_all_pct", 2),
            ("  dstackd waiting", "{}_running_pct", 2),
            ("  and dstackd itself", "{}_total_pct", 2),
            ("  dstackd, for each", "{}_dstackd_instructions", 0),
            ("measure=first, added", "{}_first_instructions", 0),
            ("  in percent", "{}_first_pct", 2),
            ("  deferred work too", "{}_first_all_pct", 2),
            ("IMA, added", "ima_{}_instructions", 0),
            ("  in percent", "ima_{}_pct", 2))
    names = ("warm", "warm_dynamic", "warm_musl")
    for title, form, digits in rows:
        cells = [number(figures.get(form.format(name)), digits)
                 for name in names]
        print(f"{title:24} " + " ".join(f"{cell:>12}" for cell in cells))


def print_sizes(figures):
    columns = (("over hash", "cold_over_hash_by_size"),
               ("IMA, over it", "ima_cold_over_hash_by_size"),
               ("fs-verity", "verity_by_size"))
    print(f"\n{'First exec, by size':24} " +
          " ".join(f"{title:>12}" for title, _ in columns))
    found = [figures.get(name, {}) for _, name in columns]
    for size in sorted(set().union(*found)):
        print(f"{size // 1024:>16} KiB     " + " ".join(
            f"{number(by_size.get(size)):>12}" for by_size in found))


def print_others(figures):
    print(f"\n{'Others':44}")
    rows = (("hash, for each byte (AF_ALG)", "hash_instructions_per_byte", 2),
            ("  and reading, with read(2)",
             "content_instructions_per_byte", 2),
            ("first exec, for each byte", "cold_instructions_per_byte", 2),
            ("first exec, besides", "cold_constant_instructions", 0),
            ("mmap, without the module", "mmap_base_instructions", 0),
            ("mmap of a known library, added", "mmap_cached_instructions", 0),
            ("  in measure=first", "mmap_first_instructions", 0),
            ("append to the log (DSTACK_EXTEND)",
             "log_append_instructions", 0),
            ("key as bytes (DSTACK_GET_KEY)", "key_bytes_instructions", 0),
            ("  as a handle", "key_handle_instructions", 0),
            ("HMAC of 32 bytes by a handle", "key_hmac_instructions", 0),
            ("seal 4 KiB", "key_seal_instructions", 0),
            ("unseal 4 KiB", "key_unseal_instructions", 0),
            ("lookup in 1,000", "lookup_1k_instructions", 0),
            ("lookup in 100,000", "lookup_100k_instructions", 0),
            ("  unknown, in 1,000", "lookup_unknown_1k_instructions", 0),
            ("  unknown, in 100,000", "lookup_unknown_100k_instructions", 0),
            ("load 100,000", "policy_load_100k_instructions", 0),
            ("  in seconds of an ordinary machine",
             "policy_load_100k_seconds", 2),
            ("exec of the host, percent", "host_every_pct", 2),
            ("baseline before and after, percent", "drift_pct", 2))
    for title, name, digits in rows:
        print(f"{title:36} {number(figures.get(name), digits):>14}")


def print_bars(bars):
    print("\nBars")
    for bar in bars:
        verdict = {True: "met", False: "MISSED", None: "?"}[bar["met"]]
        value = number(bar["value"], 2)
        note = ": " + bar["reason"] if "reason" in bar else ""
        print(f"{verdict:6} {bar['claim']}\n       {value} {bar['unit']}, "
              f"at most {number(bar['limit'], 2)}{note}")


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--about", action="append", default=[],
                        metavar="KEY=VALUE", help="to be told too")
    parser.add_argument("--json", required=True, help="file to write")
    parser.add_argument("directory", help="what guest.sh left")
    return parser.parse_args()


def main():
    args = parse_args()
    samples = Samples([os.path.join(args.directory, name)
                       for name in ("samples", "loads")])
    figures = make_figures(samples)
    reasons = read_reasons(os.path.join(args.directory, "reasons"), figures)
    bars = judge(figures, reasons)
    about = dict(pair.split("=", 1) for pair in args.about)
    with open(args.json, "w", encoding="utf-8") as file:
        json.dump({**about, **figures, "reasons": reasons, "bars": bars,
                   "samples": spread(samples)}, file, indent=2)
        file.write("\n")
    print(", ".join(f"{key} {value}" for key, value in about.items()) + "\n")
    print_execs(figures)
    print_sizes(figures)
    print_others(figures)
    print_bars(bars)
    return 1 if any(bar["met"] is False for bar in bars) else 0


if __name__ == "__main__":
    sys.exit(main())
