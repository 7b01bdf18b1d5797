#!/usr/bin/env python3
"""4 % more instructions of a kernel are found by the check that every gate makes, and 2 % are not; a loop of single lanes is
found; figures of another compiler are not checked, with a printed reason.

    planted_kernels_test.py KERNEL_GATES COMPILE_COMMANDS DESCRIPTION
"""
import importlib.util
import os
import shlex
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
path, commands, description = sys.argv[1:]
spec = importlib.util.spec_from_file_location("kernel_gates", path)
gates = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gates)

what = gates.load(description)
honest, loops = gates.measure(what)
wrong = []


def words_of(source):
    """What compiles `source` for this target, without the output."""
    for entry in gates.load(commands):
        words = shlex.split(entry["command"])
        output = words.index("-o") + 1
        if entry["file"].endswith(source) and f"kernels.{what['target']}.dir" in words[output]:
            return words[:output - 1] + words[output + 1:]
    sys.exit(f"nothing compiles {source} for {what['target']}")


def nops(kernel, percent):
    return -(-honest[kernel]["instructions"] * percent // 100)


def expect(text, condition):
    if not condition:
        wrong.append(text)


expect(f"honest kernels are complained of: {gates.complaints(honest, loops, what['width'], honest)}",
       not gates.complaints(honest, loops, what["width"], honest))
expect("a kernel that is not recorded is accepted", gates.complaints(honest, loops, what["width"], {}))
expect("a kernel that is gone is accepted", gates.complaints({}, {}, what["width"], honest))
with tempfile.TemporaryDirectory() as folder:
    planted = dict(what, program=os.path.join(folder, "kernels"))
    words = words_of("bench/counts/kernels.cpp")
    words.remove("-c")
    subprocess.run([*words, f"-DEMMY_PLANTED_GEMM={nops('kernel_gemm_32', 4)}", f"-DEMMY_PLANTED_GEMV={nops('kernel_gemv_64', 2)}",
                    "-static", "-no-pie", "-o", planted["program"]], check=True)
    rows, loops = gates.measure(planted)
    found = gates.complaints(rows, loops, what["width"], honest)
    print(*found, sep="\n")
    expect("4 % were not found", any("kernel_gemm_32" in text and "% more" in text for text in found))
    expect("2 % were found", not any("kernel_gemv_64" in text for text in found))
    expect("a loop of single lanes was not found", any("kernel_dots_64" in text and "are not of whole" in text for text in found))
    expect("more was found", all("kernel_gemm_32" in text or "kernel_dots_64" in text for text in found))

    record = os.path.join(folder, "record.json")
    gates.save(record, {what["target"]: {"compiler": "another one", "kernels": honest}})
    made = subprocess.run([sys.executable, path, "check", "--record", record, description], capture_output=True, text=True)
    expect("another compiler's figures were checked", made.returncode == 77 and "SKIPPED" in made.stdout and "another one" in made.stdout)
if wrong:
    sys.exit("\n".join(wrong))
