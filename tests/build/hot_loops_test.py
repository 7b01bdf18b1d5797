#!/usr/bin/env python3
"""No accumulator of the register tile lives in memory, and all of its products take whole registers: tools/hot_loops.py on
every function hot_* of SOURCE. A tile that is too large, an accumulator in memory, a sum of one lane and, where they have
names of their own, half registers are planted: each must be found.

    hot_loops_test.py OBJDUMP SOURCE WIDTH PRODUCTS COMPILER [FLAG]...    PRODUCTS: of one pass of the tile
"""
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import hot_loops  # noqa: E402

objdump, source, width, products = sys.argv[1:5]
compiler = sys.argv[5:]
PLANTED = {"hot_planted_spill": "loads and stores of the stack", "hot_planted_store": "stores in the innermost loops",
           "hot_planted_scalar": "are not of whole"}
if width in ("ymm", "zmm", "q"):
    PLANTED["hot_planted_half"] = "are not of whole"
wrong = 0

with tempfile.TemporaryDirectory() as folder:
    made = os.path.join(folder, "hot.o")
    subprocess.run([*compiler, "-fno-exceptions", "-fno-rtti", "-c", source, "-o", made], check=True)
    functions, isa = hot_loops.read(objdump, made)
honest = 0
for name in sorted(name for name in functions if name.startswith("hot_")):
    loops = hot_loops.loops_of(functions, isa, name, width)
    for loop in loops:
        print(f"{name}: {len(loop.wide)} products of whole {width}, {len(loop.narrow)} narrow, {len(loop.spills)} spills, "
              f"{len(loop.stores)} stores")
    least = 1 if name.startswith("hot_planted") else int(products)
    found = hot_loops.complaints(loops, width, least, 0, stores=False)
    if not name.startswith("hot_planted"):
        honest += 1
        for text in found:
            print(f"{name}: {text}")
            wrong = 1
    elif name in PLANTED:
        expected = PLANTED.pop(name)
        if not any(expected in text for text in found):
            print(f"{name} was not found: {found}")
            wrong = 1
if honest < 5 or PLANTED:
    print(f"hot functions are missing: {honest} of 5, {' '.join(PLANTED)}")
    wrong = 1
sys.exit(wrong)
