#!/usr/bin/env python3
"""The table of docs/arm.md says what tests/simd/arithmetic_table.hpp says.

    arithmetic_table_test.py HEADER DOCUMENT
"""
import re
import sys

with open(sys.argv[1]) as file:
    rows = re.findall(r'\{"([^"]+)", Subnormals::(\w+), MulAdd::(\w+), Roots::(\w+)\}', file.read())
with open(sys.argv[2]) as file:
    text = file.read()
shown = [tuple(cell.strip() for cell in line.strip("|\n ").split("|")) for line in
         re.search(r"\| target \| subnormals .*\n\|.*\n((?:\|.*\n)+)", text)[1].splitlines()]
if not rows or rows != shown:
    sys.exit(f"only in the header: {[r for r in rows if r not in shown]}\nonly in the document: {[r for r in shown if r not in rows]}")
