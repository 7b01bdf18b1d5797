#!/usr/bin/env python3
"""Joins the rows of bench/compare into one Markdown table on stdout.

  tools/bench_table.py [--json FILE] ROWS.json...

--json writes all rows, as one list. Two rows with the same key are an error.
"""
import json
import sys

KEY = ("workload", "batch", "mode", "variant", "isa", "backend", "scalar_type", "ledger")
TITLES = {"eigen_fixed": "Eigen, fixed", "eigen_dynamic": "Eigen, dynamic", "plain_c": "C",
          "plain_c_fast": "C, -ffast-math", "highway_simple": "Highway", "xsimd_simple": "xsimd",
          "openblas": "OpenBLAS", "onednn": "oneDNN", "libxsmm": "libxsmm", "fann": "FANN", "libtorch": "libtorch"}


def interval(low, median, high):
    return f"{median:.2f} [{low:.2f}, {high:.2f}]"


def main(arguments):
    out = None
    if arguments[:1] == ["--json"]:
        out, arguments = arguments[1], arguments[2:]
    rows = [row for name in arguments for row in json.load(open(name, encoding="utf-8"))]
    keys = [tuple(row[part] for part in KEY) for row in rows]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        sys.exit(f"bench_table.py: more than one row for {twice[0]}")
    met = {name for row in rows for name in row["opponents"]}
    names = [name for name in TITLES if name in met] + sorted(met - set(TITLES))
    head = ["workload", "batch", "mode", "variant", "ISA", "backend", "ledger", "ns", "GFLOP/s", "of peak", "heap calls",
            "heap bytes", "RAM", "time / plain step"] + [TITLES.get(name, name) + " / Emmy" for name in names]
    print("| " + " | ".join(head) + " |")
    print("|---|---:|---|---|---|---|---|---:|---:|---:|---:|---:|---:|" + "---|" * (len(names) + 1))
    for row in rows:
        cells = [row["workload"], row["batch"], row["mode"], row["variant"], row["isa"], row["backend"], row["ledger"],
                 f"{row['ns']:.1f}", f"{row['gflops']:.1f}", f"{100 * row['peak_fraction']:.0f} %",
                 f"{row['heap_calls']:g}", f"{row['heap_bytes']:g}", row["ram_bytes"] or "", interval(*row["over_base"])]
        for name in names:
            ratio = row["opponents"].get(name)
            cells.append(interval(ratio["ratio_low"], ratio["ratio_median"], ratio["ratio_high"]) if ratio else "")
        print("| " + " | ".join(map(str, cells)) + " |")
    if out is not None:
        with open(out, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
            file.write("\n")


main(sys.argv[1:])
