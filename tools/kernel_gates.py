#!/usr/bin/env python3
"""The gates of bench/counts that do not depend on the clock: instructions of each kernel, and what its loops are made of.

    kernel_gates.py check --record RECORD DESCRIPTION    measures and fails where a figure is worse than the recorded one
    kernel_gates.py record --record RECORD DESCRIPTION...   makes today's figures the recorded ones

A DESCRIPTION is what bench/counts/CMakeLists.txt leaves in the build, RECORD tests/evidence/kernels.json. The figures:

    instructions    of one call, callees included; may grow by 3 %
    spills          of a kernel, not of a step: loads and stores of the stack in its innermost loops; may not grow

The loops of kernels must also multiply whole registers only (tools/hot_loops.py). Figures are those of one compiler with one
set of flags, which the record names; with another one the check is skipped.
"""
import argparse
import json
import os
import sys
import types

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "count_instructions")]
sys.dont_write_bytecode = True  # the source tree stays as it is
import arm_table  # noqa: E402
import count_instructions  # noqa: E402
import hot_loops  # noqa: E402

PREFIX = "emmy_count_"
GROWTH = 1.03
TARGETS = "sse4 avx2 avx3 neon".split()


def count(what, names):
    """Instructions of each kernel; the program calls each once."""
    if what["counter"] == "callgrind":
        sums = count_instructions.callgrind_each(what["program"], PREFIX)
        return {name: sums.get(PREFIX + name, 0) for name in names}
    counts = {}
    for name in names:
        ask = types.SimpleNamespace(elf=what["program"], symbol=PREFIX + name, objdump=what["objdump"], skip=0)
        if what["counter"] == "qemu":
            result = count_instructions.qemu(ask, [*(word for word in what["runner"] if word), what["program"]])
        else:
            result = count_instructions.single_step(ask, [], skip=0, calls=1)
        counts[name] = result["sum"]
    return counts


def measure(what):
    """The figures of each kernel and step, and the loops of each kernel of a target with vectors."""
    arm_table.check_cpu(what)
    functions, isa = hot_loops.read(what["objdump"], what["program"])
    names = [name[len(PREFIX):] for name in functions if name.startswith(PREFIX)]
    rows, loops = {}, {}
    for name, instructions in count(what, names).items():
        rows[name] = {"instructions": instructions}
        if what["width"] and name.startswith("kernel_"):
            loops[name] = hot_loops.loops_of(functions, isa, PREFIX + name, what["width"])
            rows[name]["spills"] = sum(len(loop.spills) for loop in loops[name])
    return rows, loops


def complaints(rows, loops, width, recorded):
    """What is worse than recorded, kernel by kernel."""
    found = []
    for name in sorted(set(rows) | set(recorded)):
        if name not in recorded or name not in rows:
            found.append(f"{name} is not recorded" if name not in recorded else f"{name} is recorded, but not there")
            continue
        now, then = rows[name]["instructions"], recorded[name]["instructions"]
        if now > GROWTH * then:
            found.append(f"{name}: {now} instructions, recorded {then}: {100 * now / then - 100:.1f} % more, 3 % are allowed")
        if name in loops:
            found += [f"{name}: {text}" for text in hot_loops.complaints(loops[name], width, 1, recorded[name]["spills"])]
    return found


def load(path):
    with open(path) as file:
        return json.load(file)


def save(path, record):
    lines = []
    for target in sorted(record, key=TARGETS.index):
        entry = record[target]
        rows = ",\n".join(f'    "{name}": {json.dumps(row)}' for name, row in sorted(entry["kernels"].items()))
        lines.append(f'  "{target}": {{"compiler": {json.dumps(entry["compiler"])}, "kernels": {{\n{rows}\n  }}}}')
    with open(path, "w") as file:
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


def check(path, what, record):
    target = what["target"]
    if target not in record:
        sys.exit(f"gates.{target}: no figures are recorded; {how_to_record(path)}")
    if record[target]["compiler"] != what["compiler"]:
        print(f"SKIPPED: the figures of {target} are those of {record[target]['compiler']}, and this is {what['compiler']}")
        sys.exit(77)
    rows, loops = measure(what)
    print(*(f"{name}: {row}" for name, row in rows.items()), sep="\n")
    found = complaints(rows, loops, what["width"], record[target]["kernels"])
    for text in found:
        print(f"gates.{target}: {text}", file=sys.stderr)
    if found:
        sys.exit(f"To record today's figures, when they are meant: {how_to_record(path)}")


def how_to_record(path):
    return f"tools/kernel_gates.py record --record tests/evidence/kernels.json {os.path.relpath(path)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("check", "record"))
    parser.add_argument("descriptions", nargs="+")
    parser.add_argument("--record", required=True)
    arguments = parser.parse_args()
    record = load(arguments.record) if os.path.exists(arguments.record) else {}
    for path in arguments.descriptions:
        what = load(path)
        try:
            if arguments.verb == "check":
                check(path, what, record)
                continue
            rows, loops = measure(what)
        except arm_table.Unavailable as why:
            print(f"SKIPPED: {why}")
            if arguments.verb == "check":
                sys.exit(77)
            continue
        # What no record excuses is said now; what has grown, too, for the message of the commit.
        kernels = record.get(what["target"], {}).get("kernels", {})
        for text in complaints(rows, loops, what["width"], rows | kernels):
            print(f"{what['target']}: {text}")
        record[what["target"]] = {"compiler": what["compiler"], "kernels": rows}
        save(arguments.record, record)


if __name__ == "__main__":
    main()
