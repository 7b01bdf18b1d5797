#!/usr/bin/env python3
"""A growth of 4 % of the step's flash is found by the check that every evidence test makes, and one of 2 % is not.

    planted_growth_test.py ARM_TABLE BUDGETS COMPILE_COMMANDS DESCRIPTION
"""
import copy
import importlib.util
import json
import os
import shlex
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
path, budgets, commands, description = sys.argv[1:]
spec = importlib.util.spec_from_file_location("arm_table", path)
arm_table = importlib.util.module_from_spec(spec)
spec.loader.exec_module(arm_table)

with open(description) as file:
    what = json.load(file)
entry = None
for candidate in arm_table.load(commands):
    words = shlex.split(candidate["command"])
    output = os.path.join(candidate["directory"], words[words.index("-o") + 1])
    if os.path.normpath(output) == os.path.normpath(arm_table.step_object(what)):
        entry = candidate
honest = arm_table.static_figures(what)
budget = [dict(honest, loss=0.0, drift=0.0, strict_hash="", train_instructions=1, unchecked_instructions=1,
               infer_instructions=1)]


def planted(percent, folder):
    words = shlex.split(entry["command"])
    words[words.index("-o") + 1] = os.path.join(folder, "step.cpp.o")
    grown = -(-honest["flash"] * percent // 100)
    subprocess.run([*words, f"-DEMMY_BENCH_PLANTED_BYTES={grown}"], check=True, cwd=entry["directory"])
    other = copy.deepcopy(what)
    other["objects"] = os.path.join(folder, "step.cpp.o")
    figures = arm_table.static_figures(other)
    return arm_table.complaints(dict(budget[0], **figures), budget)


with tempfile.TemporaryDirectory() as folder:
    small, large = planted(2, folder), planted(4, folder)
print("2 %:", small, "\n4 %:", large)
if small or len(large) != 1 or not large[0].startswith("flash has grown by more than 3 %"):
    sys.exit("the size test is broken")
