#!/usr/bin/env python3
"""The evidence of docs/arm.md: measures the programs of bench/arm and holds them to their budgets.

    arm_table.py measure DESCRIPTION...                    prints the rows as JSON
    arm_table.py check --budgets BUDGETS DESCRIPTION...    measures, and fails where a figure is more than 3 % above its
                                                           budget, a result differs from that of the other targets, or
                                                           the step needs what it must not
    arm_table.py record --budgets BUDGETS ROWS...          makes the rows the budgets
    arm_table.py join --out FILE ROWS...                   puts all rows into one file
    arm_table.py table --document FILE ROWS...             writes the table between the marks of FILE

A DESCRIPTION is what bench/arm/CMakeLists.txt leaves in the build, BUDGETS tests/evidence/budgets.json. Of the
parametrisations there is a row for each emmy_bench_<name>: its step's flash, ram and stack. Columns:

    flash               .text + .rodata of emmy_bench_train linked alone, with what it needs of libgcc
    ram                 .data + .bss of training and inference linked alone: parameters, state, scratch
    ram_ledger          what a ledger of every symmetry adds to it
    stack               worst case of emmy_bench_train (tools/stack_bound.py)
    train_instructions  mean of all steps but the first, callees included; unchecked_instructions of a step of an Unchecked
                        rule, infer_instructions of an inference
    loss, drift         after training; strict_hash: of the weights after 5,000 strict steps of Sgd, of Momentum
"""
import argparse
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True  # the source tree stays as it is
import stack_bound  # noqa: E402

TARGETS = ("m0plus m4f m7 m33 m55-scalar m55-helium-gcc m55-helium-clang neon sve128 sve256 sve512 armhf x86-scalar "
           "x86-sse4 x86-avx2 x86-avx3").split()
NETS = ["64-32-10", "2-16-1"]
ZOO = ["digits-conv", "digits-norm", "exercises", "exercises-gru", "controller"]  # sizes alone
PARAMETRISATIONS = ["plain", "product", "product_by_input", "product_by_output", "product_by_block", "product_by_channel",
                    "product_by_unit", "product_of_depth", "diagonal_product", "constrained", "constrained_elementwise", "low_rank", "tied", "equivariant",
                    "mirrored", "syre", "weight_norm", "rnn", "low_rank_of_rnn", "low_rank_states", "on_states"]  # of tests/device/parametrisations_test.cpp: sizes alone
SIZES = ["flash", "ram", "ram_ledger", "stack"]
GROWING = [*SIZES, "train_instructions", "unchecked_instructions", "infer_instructions"]
GROWTH = 1.03
COLUMNS = ["target", "net", "batch", *GROWING, "loss", "drift", "strict_hash"]
LIMIT = 600  # seconds for one run of a program

# What the compiler may call by itself. They take no more stack than this: firmware brings its own (platforms/cortex_m),
# and on Linux they are assembly.
PLAIN_MEMORY = {name: 16 for name in ("memcpy", "memmove", "memset", *(f"__aeabi_mem{verb}{align}" for align in ("", "4", "8")
                                                                        for verb in ("cpy", "move", "set", "clr")))}


class Problem(Exception):
    pass


def run(command, **options):
    try:
        made = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL, **options)
    except subprocess.TimeoutExpired:
        raise Problem(f"{command[0]} took more than {LIMIT} s") from None
    if made.returncode != 0:
        raise Problem(f"{' '.join(command[:3])} ... ended with {made.returncode}:\n{(made.stdout + made.stderr)[-3000:]}")
    return made.stdout


def link_alone(what, roots, folder):
    """The image that holds `roots` and what they reach, and nothing else: neither libc nor libm is there to be used, so
    a step that wants the heap, libm or anything but memcpy, memmove and memset does not link."""
    image = os.path.join(folder, "-".join(roots) + ".elf")
    words = [f"-Wl,--entry={roots[0]}", *(f"-Wl,--undefined={r}" for r in roots)]
    # Each at an address of its own, where the disassembly finds its name.
    words += [f"-Wl,--defsym={name}={16 * k}" for k, name in enumerate(PLAIN_MEMORY, 1)]
    run([what["linker"], *(flag for flag in what["flags"] if flag), "-static", "-no-pie", "-nostdlib", "-Wl,--gc-sections,--no-warn-rwx-segments", *words,
         step_object(what), "-lgcc", "-o", image])
    return image


def step_object(what):
    return [o for o in what["objects"].split(";") if os.path.basename(o).startswith(("step.", "zoo.", "blocks.", "models.", "parametrisations_test."))][0]


def section_sizes(what, image):
    sizes = {}
    for line in run([what["readelf"], "-SW", image]).splitlines():
        row = re.match(r"^\s*\[\s*\d+\] (\S+)\s+\S+\s+[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+)", line)
        if row:
            sizes[row[1]] = sizes.get(row[1], 0) + int(row[2], 16)
    return sizes


def sum_of(sizes, *prefixes):
    return sum(size for name, size in sizes.items() if any(name == p or name.startswith(p + ".") for p in prefixes))


def check_symbols(what, image):
    """What is in the image by name. That nothing else is needed, the link has shown."""
    names = [line.split()[-1] for line in run([what["nm"], image]).splitlines() if line.split()]
    doubles = [n for n in names if re.match(r"__aeabi_(d|l2d|ul2d|i2d|ui2d|f2d|cd)", n) and n not in ("__aeabi_drsub_",)]
    if doubles:
        raise Problem(f"the step computes in double: {' '.join(doubles)}")
    heap = [n for n in names if re.match(r"(malloc|free|calloc|realloc|_sbrk|sbrk|_Zn[wa]|_Zd[la])", n)]
    if heap:
        raise Problem(f"the step uses the heap: {' '.join(heap)}")
    constructors = sum_of(section_sizes(what, step_object(what)), ".init_array", ".ctors")
    if constructors:
        raise Problem(f"{constructors // 4} static constructors")


def stack_of(what, image, root):
    stem = os.path.splitext(step_object(what))[0]
    callgraph = [f for f in (stem + ".ci", step_object(what)[:-2] + ".ci") if os.path.exists(f)][:1]
    usage = [] if callgraph else [f for f in (stem + ".su", step_object(what)[:-2] + ".su") if os.path.exists(f)][:1]
    try:
        size, _ = stack_bound.bound(root, callgraph, usage, image, what["objdump"], PLAIN_MEMORY)
    except stack_bound.Unbounded as why:
        raise Problem(f"no bound on the stack: {why}") from None
    return size


def ledger_size(what):
    for line in run([what["nm"], "-S", step_object(what)]).splitlines():
        words = line.split()
        if len(words) == 4 and words[3] == "emmy_bench_ledger":
            return int(words[1], 16)
    raise Problem("the object has no emmy_bench_ledger")


def output_of(what, kind):
    """What a program prints; QEMU sends the text of a board without UART (semihosting) to stderr."""
    runner = what["runner" if kind == "program" else "strict_runner"]
    command = [*(word for word in runner if word), what[kind]]
    made = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=LIMIT)
    if made.returncode != 0:
        raise Problem(f"the program ended with {made.returncode}:\n{made.stdout[-3000:]}")
    return made.stdout


def instructions(what, symbol):
    # A short run would do, but the mean over all data is the figure that does not depend on where one looks.
    command = [os.path.join(HERE, "count_instructions", "count_instructions.py"), what["program"], symbol,
               "--objdump", what["objdump"], "--json"]
    if what["counter"] == "qemu":
        command += ["--qemu", *(word for word in what["runner"] if word), what["program"]]
    elif what["counter"] == "callgrind":
        command += ["--callgrind"]
    else:
        command += ["--single-step", "99"]
    return round(json.loads(run([sys.executable, *command]))["per_call"])


def printed(text, name):
    found = re.search(rf"^{name} \S+ 0x([0-9a-f]{{8}})$", text, re.M)
    if not found:
        raise Problem(f"the program does not print {name}:\n{text}")
    return struct.unpack(">f", bytes.fromhex(found[1]))[0]


def strict_hash(what):
    text = output_of(what, "strict")
    hashes = re.findall(r"^strict_(sgd|momentum) 0x([0-9a-f]{8}) 0x([0-9a-f]{8})$", text, re.M)
    if [h[0] for h in hashes] != ["sgd", "momentum"]:
        raise Problem(f"the strict program does not print its hashes:\n{text}")
    return "-".join(h[1] + h[2] for h in hashes)


class Unavailable(Exception):
    pass


# What Linux calls the compiler's features. What has bmi2 has lzcnt too: some kernels list that (abm), some do not.
CPUINFO = {"sse4.2": "sse4_2", "pclmul": "pclmulqdq", "bmi": "bmi1", "lzcnt": "bmi2"}


def check_cpu(what):
    if not what["features"]:
        return
    with open("/proc/cpuinfo") as file:
        flags = set(re.search(r"^flags\s*: (.*)$", file.read(), re.M)[1].split())
    missing = [f for f in what["features"].split() if CPUINFO.get(f, f) not in flags]
    if missing:
        raise Unavailable(f"target {what['target']}: this CPU has no {' '.join(missing)}")


def static_figures(what):
    """What the object tells without running it."""
    with tempfile.TemporaryDirectory() as folder:
        alone = link_alone(what, ["emmy_bench_train"], folder)
        check_symbols(what, alone)
        both = link_alone(what, ["emmy_bench_train", "emmy_bench_infer"], folder)
        check_symbols(what, both)
        return {
            "target": what["target"], "net": what["net"], "batch": what["batch"],
            "flash": sum_of(section_sizes(what, alone), ".text", ".rodata"),
            "ram": sum_of(section_sizes(what, both), ".data", ".bss"),
            "ram_ledger": ledger_size(what),
            "stack": stack_of(what, alone, "emmy_bench_train"),
        }


def parametrisation_figures(what):
    """A row for each step of the object, linked alone."""
    def row(name):
        root = f"emmy_bench_{name}"
        with tempfile.TemporaryDirectory() as folder:
            alone = link_alone(what, [root], folder)
            check_symbols(what, alone)
            sizes = section_sizes(what, alone)
            return {"target": what["target"], "net": name, "batch": what["batch"], "flash": sum_of(sizes, ".text", ".rodata"),
                    "ram": sum_of(sizes, ".data", ".bss"), "stack": stack_of(what, alone, root)}
    return [row(name) for name in PARAMETRISATIONS]


def measure(path):
    with open(path) as file:
        what = json.load(file)
    check_cpu(what)
    if what["net"] == "parametrisations":
        return parametrisation_figures(what)
    row = static_figures(what)
    if what["net"] in ZOO:
        return [row]
    row["train_instructions"] = instructions(what, "emmy_bench_train")
    row["unchecked_instructions"] = instructions(what, "emmy_bench_train_unchecked")
    row["infer_instructions"] = instructions(what, "emmy_bench_infer")
    text = output_of(what, "program")
    row["loss"] = printed(text, "loss")
    row["drift"] = printed(text, "drift")
    row["strict_hash"] = strict_hash(what)
    return [row]


def key_of(row):
    return (row["target"], row["net"], row["batch"])


def complaints(row, budgets):
    """Why a row may not stand beside the recorded ones."""
    found = []
    recorded = {key_of(r): r for r in budgets}
    budget = recorded.get(key_of(row))
    if budget is None:
        return ["no budget is recorded: tools/arm-table.sh --record"]
    for name in (c for c in GROWING if c in row):
        if row[name] > GROWTH * budget[name]:
            found.append(f"{name} has grown by more than 3 %: {row[name]}, recorded {budget[name]}")
    for other in budgets:
        if other["net"] != row["net"] or "loss" not in row:
            continue
        if abs(row["loss"] - other["loss"]) > 1e-4 * abs(other["loss"]):
            found.append(f"loss {row['loss']} is not that of {other['target']}, {other['loss']}")
        if abs(row["drift"] - other["drift"]) > 1e-5:
            found.append(f"charge drift {row['drift']} is not that of {other['target']}, {other['drift']}")
        if row["strict_hash"] != other["strict_hash"]:
            found.append(f"strict hash {row['strict_hash']} is not that of {other['target']}, {other['strict_hash']}")
    return found


def load(path):
    with open(path) as file:
        return json.load(file)


def save(path, rows):
    rows = sorted(rows, key=lambda r: ((NETS + ZOO + PARAMETRISATIONS).index(r["net"]), TARGETS.index(r["target"]), r["batch"]))
    with open(path, "w") as file:
        file.write("[\n" + ",\n".join("  " + json.dumps({c: r[c] for c in COLUMNS if c in r}) for r in rows) + "\n]\n")


def table(rows):
    lines = []
    for net in NETS:
        lines += [f"**{net}**, batch 1", "",
                  "| target | flash B | RAM B | ledger B | stack B | training step | unchecked | inference | loss | charge drift | strict hash |",
                  "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|"]
        for row in sorted((r for r in rows if r["net"] == net), key=lambda r: TARGETS.index(r["target"])):
            hashes = "-".join(part[:8] for part in row["strict_hash"].split("-"))
            lines.append(f"| {row['target']} | {row['flash']:,} | {row['ram']:,} | {row['ram_ledger']:,} | {row['stack']:,} | "
                         f"{row['train_instructions']:,} | {row['unchecked_instructions']:,} | {row['infer_instructions']:,} | {row['loss']:.7g} | "
                         f"{row['drift']:.6f} | {hashes} |")
        lines.append("")
    lines += ["**Nets of `emmy train --net`**, plain `Sgd`", "", "| net | batch | target | flash B | RAM B | ledger B | stack B |",
              "|---|--:|---|--:|--:|--:|--:|"]
    for row in sorted((r for r in rows if r["net"] in ZOO), key=lambda r: (ZOO.index(r["net"]), TARGETS.index(r["target"]))):
        lines.append(f"| {row['net']} | {row['batch']} | {row['target']} | {row['flash']:,} | {row['ram']:,} | {row['ram_ledger']:,} | {row['stack']:,} |")
    boards = ["m4f", "m55-helium-gcc"]
    found = {(r["net"], r["target"]): r for r in rows}
    lines += ["", "**Parametrisations** of the last layer of 6-8-5, from `rnn` on of an `Rnn` of 5 on 3 x 6; batch 2, `Momentum`", "",
              "| weights | " + " | ".join(f"{b}: {column} B" for b in boards for column in ("flash", "RAM", "stack")) + " |",
              "|---|" + "--:|" * (3 * len(boards))]
    for name in PARAMETRISATIONS:
        row = [found.get((name, b)) for b in boards]
        if all(row):
            lines.append(f"| {name} | " + " | ".join(f"{r[c]:,}" for r in row for c in ("flash", "ram", "stack")) + " |")
    lines.append("")
    return "\n".join(lines)


def write_document(path, rows):
    begin, end = "<!-- table: tools/arm-table.sh -->\n", "<!-- end of the table -->\n"
    with open(path) as file:
        text = file.read()
    if begin not in text or end not in text:
        sys.exit(f"arm_table: {path} has no marks for the table")
    head, rest = text.split(begin)
    with open(path, "w") as file:
        file.write(head + begin + table(rows) + end + rest.split(end)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("measure", "check", "record", "join", "table"))
    parser.add_argument("files", nargs="+")
    parser.add_argument("--budgets")
    parser.add_argument("--document")
    parser.add_argument("--out")
    arguments = parser.parse_args()
    if arguments.verb in ("measure", "check"):
        rows, wrong, skipped = [], False, False
        budgets = load(arguments.budgets) if arguments.budgets else []
        for path in arguments.files:
            name, found = os.path.basename(path)[: -len(".json")], []
            try:
                measured = measure(path)
                rows += measured
                if arguments.verb == "check":
                    found = [f"{row['net']}: {text}" if len(measured) > 1 else text
                             for row in measured for text in complaints(row, budgets)]
            except Problem as why:
                found = [str(why)]
            except Unavailable as why:
                skipped = True
                print(f"SKIPPED: {why}", flush=True)
                known = [r for r in budgets if f"{r['target']}.{r['net']}" == name]
                if arguments.verb == "measure" and known:
                    print(f"{name}: the recorded figures stand in", file=sys.stderr)
                    rows += known
            for text in found:
                print(f"{name}: {text}", file=sys.stderr)
                wrong = True
        if arguments.out:
            save(arguments.out, rows)
        else:
            print(json.dumps(rows, indent=1))
        sys.exit(1 if wrong else 77 if skipped and arguments.verb == "check" else 0)
    rows = [row for path in arguments.files for row in load(path)]
    if arguments.verb == "record":
        kept = {key_of(r): r for r in (load(arguments.budgets) if os.path.exists(arguments.budgets) else [])}
        kept.update({key_of(r): r for r in rows})
        save(arguments.budgets, list(kept.values()))
    elif arguments.verb == "join":
        save(arguments.out, rows)
    else:
        write_document(arguments.document, rows)


if __name__ == "__main__":
    main()
