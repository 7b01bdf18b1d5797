#!/usr/bin/env python3
"""tools/count_instructions against a function whose instructions are known: 202 (tests/evidence/counted.cpp).

    counter_test.py COUNT_INSTRUCTIONS OBJDUMP PROGRAM qemu RUNNER... | native
"""
import subprocess
import sys

tool, objdump, program, way = sys.argv[1:5]
runner = [w for w in sys.argv[5:] if w]
common = [sys.executable, tool, program, "emmy_counted", "--objdump", objdump]
ways = {"qemu": [["--qemu", *runner, program]], "native": [["--callgrind"], ["--single-step", "4"]]}[way]
wrong = 0


def expect(what, condition, made):
    global wrong
    if not condition:
        print(f"{what}:\n{made.stdout}{made.stderr}")
        wrong = 1


for options in ways:
    made = subprocess.run([*common, *options], capture_output=True, text=True)
    expect(f"{options[0]} does not count 4 calls of 202", made.stdout.startswith("emmy_counted calls 4 per_call 202.000"), made)
    # A name that is not there is an error, not a zero.
    absent = [sys.executable, tool, program, "emmy_absent", "--objdump", objdump, *options]
    made = subprocess.run(absent, capture_output=True, text=True)
    expect(f"{options[0]} counts an absent function", made.returncode == 1 and "emmy_absent" in made.stderr, made)
sys.exit(wrong)
