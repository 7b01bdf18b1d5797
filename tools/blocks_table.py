#!/usr/bin/env python3
"""The evidence of two tables in docs/constraints.md: what an inference takes of the nets of bench/arm/blocks.cpp, and of trained ones.

    blocks_table.py measure DESCRIPTION...    prints the rows
    blocks_table.py check DESCRIPTION...      fails where one is more than 3 % above tests/evidence/blocks.json, or more than 60 % of
                                              the dense net's instructions (but for those of EXEMPT)
    blocks_table.py record DESCRIPTION...     makes the rows the budgets, and writes the table
    blocks_table.py digits NETS TEXT DESCRIPTION...   writes the table of trained nets: what emmy reproduce --digits printed (TEXT)
                                              beside its nets.hpp on boards; fails where blocks or units are above 60 %
                                              (tools/digits-table.sh does all of it)

A DESCRIPTION is <target>.blocks.json of a build's bench/arm, for digits <target>.models.json. flash: .text + .rodata of an inference linked alone, weights
included; instructions: mean of all calls but the first, callees included.
"""
import json
import os
import re
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import arm_table  # noqa: E402

NETS = {"dense": "64-32-10", "blocks": "43 % of the first layer's blocks of 4", "units18": "64-18-10", "units16": "64-16-10",
        "rank": "64-9-32-10, rank 9", "mirror": "mirrored pairs of units"}
SHARE = {"dense": 100.0, "blocks": 50.8, "units18": 56.2, "units16": 50.0, "rank": 50.0, "mirror": 56.8}  # of the multiply-adds
BUDGETS = os.path.join(HERE, "..", "tests", "evidence", "blocks.json")
DOCUMENT = os.path.join(HERE, "..", "docs", "constraints.md")
BEGIN, END = "<!-- table: tools/blocks_table.py -->\n", "<!-- end of the table -->\n"
DIGITS = "<!-- table: tools/digits-table.sh -->\n"
MOST = 0.6  # of the dense net's instructions
# Helium's vectors are of four outputs: 18 units take what 20 do, whose multiply-adds are 61.5 % of those of 64-32-12, and rank 9 what
# 12 does. Mirrored takes sums and differences one by one.
EXEMPT = [("m55-helium-gcc", "units18"), ("m55-helium-gcc", "rank"), ("m7", "mirror"), ("m55-helium-gcc", "mirror")]


def measure(path, nets=tuple(NETS)):
    what = arm_table.load(path)
    text = arm_table.output_of(what, "program")  # it checks its outputs itself
    rows = []
    for net in nets:
        symbol = f"emmy_bench_infer_{net}"
        if f"{net} off by " not in text:
            raise arm_table.Problem(f"the program does not check {net}:\n{text}")
        with tempfile.TemporaryDirectory() as folder:
            image = arm_table.link_alone(what, [symbol], folder)
            arm_table.check_symbols(what, image)
            flash = arm_table.sum_of(arm_table.section_sizes(what, image), ".text", ".rodata")
        rows.append({"target": what["target"], "net": net, "flash": flash,
                     "instructions": arm_table.instructions(what, symbol)})
    return rows


def complaints(rows, budgets):
    found = []
    recorded = {(r["target"], r["net"]): r for r in budgets}
    dense = {r["target"]: r["instructions"] for r in rows if r["net"] == "dense"}
    for row in rows:
        name = f"{row['target']} {row['net']}"
        budget = recorded.get((row["target"], row["net"]))
        if budget is None:
            found.append(f"{name}: no budget is recorded")
            continue
        for figure in ("flash", "instructions"):
            if row[figure] > arm_table.GROWTH * budget[figure]:
                found.append(f"{name}: {figure} has grown by more than 3 %: {row[figure]}, recorded {budget[figure]}")
        if row["net"] != "dense" and (row["target"], row["net"]) not in EXEMPT and row["instructions"] > MOST * dense[row["target"]]:
            found.append(f"{name}: {row['instructions']} instructions are more than 60 % of {dense[row['target']]}")
    return found


def table(rows):
    lines = ["| net | multiply-adds | target | flash B | inference | of dense |", "|---|--:|---|--:|--:|--:|"]
    dense = {r["target"]: r["instructions"] for r in rows if r["net"] == "dense"}
    for net in NETS:
        for row in (r for r in rows if r["net"] == net):
            lines.append(f"| {NETS[net]} | {SHARE[net]:.1f} % | {row['target']} | {row['flash']:,} | {row['instructions']:,} | "
                         f"{100 * row['instructions'] / dense[row['target']]:.1f} % |")
    return "\n".join(lines) + "\n"


def write_table(mark, text):
    with open(DOCUMENT) as file:
        head, rest = file.read().split(mark)
    with open(DOCUMENT, "w") as file:
        file.write(head + mark + text + END + rest.split(END, 1)[1])


def digits(nets, text, descriptions):
    with open(nets) as file:
        shapes = dict(re.findall(r"^// (\S+): (.*), seed \d+$", file.read(), re.M))
    with open(text) as file:
        printed = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in file if line.startswith("| ")]
    columns, rows = printed[0], {row[0]: row for row in printed[1:]}
    boards = [{r["net"]: r for r in measure(path, [name.replace("-", "_") for name in shapes])} for path in descriptions]
    targets = [next(iter(b.values()))["target"] for b in boards]
    lines = ["| constraint | deployed as | test accuracy, least / mean, % | parameters | multiply-adds, % | certified, % | "
             + " | ".join(f"{t}: flash B | instructions | of dense" for t in targets) + " |",
             "|---|---|---|--:|--:|--:|" + "--:|--:|--:|" * len(targets)]
    found = []
    for name, shape in shapes.items():
        cells = [rows[name][columns.index(c)] for c in ("test accuracy, least / mean, %", "parameters", "multiply-adds, %", "certified, %")]
        if "mirrored" in shape:
            cells[3] = "exact"  # by construction
        line = f"| `{name}` | {shape} | " + " | ".join(cells) + " |"
        for board in boards:
            row = board[name.replace("-", "_")]
            share = row["instructions"] / board["dense"]["instructions"]
            line += f" {row['flash']:,} | {row['instructions']:,} | {100 * share:.1f} % |"
            if name in ("blocks", "units") and share > MOST:
                found.append(f"{row['target']} {name}: {100 * share:.1f} % of the dense net's instructions")
        lines.append(line)
    write_table(DIGITS, "\n".join(lines) + "\n")
    print("\n".join(lines))
    for complaint in found:
        print(f"blocks_table: {complaint}", file=sys.stderr)
    return 1 if found else 0


def main():
    if len(sys.argv) > 4 and sys.argv[1] == "digits":
        try:
            sys.exit(digits(sys.argv[2], sys.argv[3], sys.argv[4:]))
        except arm_table.Problem as why:
            sys.exit(f"blocks_table: {why}")
    if len(sys.argv) < 3 or sys.argv[1] not in ("measure", "check", "record"):
        sys.exit(__doc__)
    try:
        rows = [row for path in sys.argv[2:] for row in measure(path)]
    except arm_table.Problem as why:
        sys.exit(f"blocks_table: {why}")
    print(table(rows), end="")
    if sys.argv[1] == "check":
        found = complaints(rows, arm_table.load(BUDGETS))
        for text in found:
            print(f"blocks_table: {text}", file=sys.stderr)
        sys.exit(1 if found else 0)
    if sys.argv[1] == "record":
        with open(BUDGETS, "w") as file:
            file.write("[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]\n")
        write_table(BEGIN, table(rows))


if __name__ == "__main__":
    main()
