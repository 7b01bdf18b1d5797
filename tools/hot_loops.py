#!/usr/bin/env python3
"""Reads the innermost loops of functions in a disassembly: do their products use whole vectors, and do they spill?

    hot_loops.py ELF --width xmm|ymm|zmm|q|z [--objdump OBJDUMP] [--functions REGEX] [--products N] [--spills N]

A hot loop multiplies (or multiplies and adds) floating-point numbers and holds no other loop that does. In every hot loop of
the functions that REGEX names, and of those that they call, each product must take whole registers of the width, no sum a
single lane, and no register may be loaded from or stored to a fixed place of the stack (N places may, in all: --spills).
One loop of every function named must hold at least N products (--products). Loops are those of the control flow, not of
the layout. x86-64, AArch64 and Thumb.
"""
import argparse
import collections
import re
import subprocess
import sys

Instruction = collections.namedtuple("Instruction", "address word operands")
Loop = collections.namedtuple("Loop", "function address products wide narrow spills stores")  # narrow: products and sums


class X86:
    """AT&T syntax: the last operand is written."""
    ends = re.compile(r"ret|ud2|hlt|jmp|notrack")
    jump = re.compile(r"j[a-z]+$")
    always = re.compile(r"jmpq?$")
    call = re.compile(r"callq?$")
    product = re.compile(r"v?(mul|fn?m(add|sub)[0-9]+)[ps][sd]$")
    comment = re.compile(r"\s+#")
    one_sum = re.compile(r"v?(add|sub)s[sd]$")
    packed = re.compile(r".*p[sd]$")
    store = re.compile(r"v?mov\S* .*\)(\{[^}]*\})*$")
    register = re.compile(r"%([xyz])mm\d")

    @staticmethod
    def width(operands):
        return max((name + "mm" for name in X86.register.findall(operands)), default="")  # xmm < ymm < zmm

    @staticmethod
    def adds_one(instruction):
        return bool(X86.one_sum.match(instruction.word))

    @staticmethod
    def spill(instruction, bases):
        base = re.search(r"\(%(\w+)\)", instruction.operands)
        return bool(base and base[1] in bases and X86.register.search(instruction.operands))

    @staticmethod
    def bases(body):
        """The registers that the places of spilt ones are counted from."""
        return {"rsp", *("rbp" for i in body if i.word.startswith("mov") and i.operands == "%rsp,%rbp")}


class Arm:
    """AArch64 and Thumb: the first operand is written."""
    ends = re.compile(r"(ret|b|b\.n|b\.w|br|bx|udf)$")
    jump = re.compile(r"(b|b\.n|b\.w|b\.?(eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le|al|any|none|first|last)(\.[nw])?|"
                      r"cbn?z|tbn?z|le|letp)$")
    always = re.compile(r"(b|b\.n|b\.w)$")
    call = re.compile(r"blx?$")
    product = re.compile(r"(fn?m(ul|la|ls|add|sub|ad|sb)|v(fn?m[as]|fmas|mul|ml[as]|nmul)\.f32)$")
    packed = re.compile(r"")
    store = re.compile(r"v?st(r|ur|p|nt1|\d|m)")
    comment = re.compile(r"\s+(//|;|@)")
    one_sum = re.compile(r"(fadda?|fsub|vadd\.f32|vsub\.f32)$")

    @staticmethod
    def width(operands):
        if re.search(r"\bz\d+\.", operands):
            return "z"
        if re.search(r"\bv\d+\.(4s|2d)|\bq\d", operands):
            return "q"
        return ""

    @staticmethod
    def adds_one(instruction):
        return bool(Arm.one_sum.match(instruction.word) and re.match(r"[sd]\d", instruction.operands))

    @staticmethod
    def spill(instruction, bases):
        base = re.search(r"\[(\w+)(, #-?\d+(, mul vl)?)?\]", instruction.operands)
        return bool(base and base[1] in bases and re.search(r"\b[vqdsz]\d+", instruction.operands.split("[")[0]))

    @staticmethod
    def bases(body):
        far = (re.match(r"(x\d+), (sp|x29), ", i.operands) for i in body if i.word == "addvl")  # places of SVE registers
        return {"sp", "x29", *(found[1] for found in far if found)}


def read(objdump, elf):
    """The functions of ELF by name, and how to read them."""
    made = subprocess.run([objdump, "-d", "-w", "--no-show-raw-insn", elf], capture_output=True, text=True)
    if made.returncode != 0:
        sys.exit(f"hot_loops: {objdump} cannot read {elf}: {made.stderr}")
    isa = X86 if "x86-64" in made.stdout[:300] else Arm
    functions, body = {}, None
    for line in made.stdout.splitlines():
        head = re.match(r"^[0-9a-f]+ <(.+)>:$", line)
        if head:
            body = functions.setdefault(head[1], [])
            continue
        row = re.match(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$", line)
        if row and body is not None:
            text = isa.comment.split(row[3])[0]
            word = row[2]
            if word in ("lock", "rep", "repz", "repnz", "bnd", "notrack", "data16", "cs") and text:
                word, _, text = text.partition(" ")
            body.append(Instruction(int(row[1], 16), word, text.strip()))
    return functions, isa


def target_of(instruction):
    found = re.search(r"([0-9a-f]+) <([^>]+?)(\+0x[0-9a-f]+)?>$", instruction.operands)
    return (int(found[1], 16), None if found[3] else found[2]) if found else (None, None)


def edges(body, isa):
    """What may follow each instruction, by index."""
    index = {i.address: k for k, i in enumerate(body)}
    after = []
    for k, i in enumerate(body):
        to = []
        if isa.jump.match(i.word) and target_of(i)[0] in index:
            to.append(index[target_of(i)[0]])
        if not (isa.ends.match(i.word) and (isa.always.match(i.word) or not isa.jump.match(i.word))) and k + 1 < len(body):
            to.append(k + 1)
        after.append(to)
    return after


def components(nodes, after):
    """The strongly connected components that hold a cycle (Tarjan, without recursion)."""
    nodes = set(nodes)
    number, low, stack, on, found = {}, {}, [], set(), []
    for root in sorted(nodes):
        if root in number:
            continue
        work = [(root, iter([n for n in after[root] if n in nodes]))]
        number[root] = low[root] = len(number)
        stack.append(root)
        on.add(root)
        while work:
            node, rest = work[-1]
            for n in rest:
                if n not in number:
                    number[n] = low[n] = len(number)
                    stack.append(n)
                    on.add(n)
                    work.append((n, iter([m for m in after[n] if m in nodes])))
                    break
                if n in on:
                    low[node] = min(low[node], number[n])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == number[node]:
                    part = []
                    while True:
                        n = stack.pop()
                        on.discard(n)
                        part.append(n)
                        if n == node:
                            break
                    if len(part) > 1 or node in after[node]:
                        found.append(part)
    return found


def innermost(nodes, after, is_product):
    """The loops among `nodes` that hold a product, and no smaller loop that does."""
    found = []
    for part in components(nodes, after):
        if not any(is_product[n] for n in part):
            continue
        # Without its head, where it is entered, only the loops within are left.
        outside = {n for k, to in enumerate(after) if k not in set(part) for n in to}
        heads = {n for n in part if n in outside} or {min(part)}
        inner = innermost([n for n in part if n not in heads], after, is_product)
        found += inner or [part]
    return found


def hot_loops(name, body, isa, width):
    after = edges(body, isa)
    is_product = [bool(isa.product.match(i.word)) for i in body]
    bases = isa.bases(body)
    loops = []
    for part in innermost(range(len(body)), after, is_product):
        products = [body[n] for n in part if is_product[n]]
        wide = [i for i in products if isa.packed.match(i.word) and isa.width(i.operands) == width]
        narrow = [i for i in products if i not in wide] + [body[n] for n in part if isa.adds_one(body[n])]
        spills = [body[n] for n in part if isa.spill(body[n], bases)]
        stores = [body[n] for n in part if isa.store.match(f"{body[n].word} {body[n].operands}")]
        loops.append(Loop(name, body[min(part)].address, products, wide, narrow, spills, stores))
    return loops


def reached(functions, isa, root):
    """`root` and what it calls, and what that calls."""
    names, todo = [], [root]
    while todo:
        name = todo.pop()
        if name in names or name not in functions:
            continue
        names.append(name)
        for i in functions[name]:
            if isa.call.match(i.word) or isa.jump.match(i.word):
                to = target_of(i)[1]
                if to and to != name:
                    todo.append(to)
    return names


def loops_of(functions, isa, root, width):
    return [loop for name in reached(functions, isa, root) for loop in hot_loops(name, functions[name], isa, width)]


def complaints(loops, width, products, spills, stores=True):
    """What is wrong with the loops of one function and of what it calls. stores: the loops may write results."""
    found = []
    if not loops and products:
        found.append("no loop multiplies: it is unrolled, or it is not the one meant")
    for loop in loops:
        if loop.narrow:
            found.append(f"{loop.function} at {loop.address:x}: {len(loop.narrow)} products and sums are not of whole {width} "
                         f"registers, such as {loop.narrow[0].word} {loop.narrow[0].operands}")
    most = max((len(loop.wide) for loop in loops), default=0)
    if loops and most < products:
        found.append(f"the largest loop holds {most} products of whole {width} registers, {products} are claimed")
    places = sum(len(loop.spills) for loop in loops)
    if places > spills:
        found.append(f"{places} loads and stores of the stack in the innermost loops, {spills} known")
        found += [f"  {loop.function} at {loop.address:x}: {i.address:x} {i.word} {i.operands}"
                  for loop in loops for i in loop.spills]
    written = [i for loop in loops for i in loop.stores]
    if written and not stores:
        found.append(f"{len(written)} stores in the innermost loops, such as {written[0].word} {written[0].operands}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("elf")
    parser.add_argument("--width", required=True, choices=("xmm", "ymm", "zmm", "q", "z"))
    parser.add_argument("--objdump", default="objdump")
    parser.add_argument("--functions", default="hot_.*")
    parser.add_argument("--products", type=int, default=1)
    parser.add_argument("--spills", type=int, default=0)
    arguments = parser.parse_args()
    functions, isa = read(arguments.objdump, arguments.elf)
    roots = sorted(name for name in functions if re.fullmatch(arguments.functions, name))
    if not roots:
        sys.exit(f"hot_loops: {arguments.elf} has no function {arguments.functions}")
    wrong = False
    for root in roots:
        loops = loops_of(functions, isa, root, arguments.width)
        for loop in loops:
            print(f"{root}: {len(loop.wide)} products of whole {arguments.width}, {len(loop.narrow)} narrow, "
                  f"{len(loop.spills)} spills in {loop.function} at {loop.address:x}")
        for text in complaints(loops, arguments.width, arguments.products, arguments.spills):
            print(f"{root}: {text}", file=sys.stderr)
            wrong = True
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
