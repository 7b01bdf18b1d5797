#!/usr/bin/env python3
"""Worst-case stack of a function and everything that it calls: an upper bound, or an error that says why there is none.

    stack_bound.py ROOT --callgraph A.ci... [--image ELF --objdump OBJDUMP] [--leaf NAME=BYTES]... [--limit BYTES] [--json]
    stack_bound.py ROOT --usage A.su...      --image ELF --objdump OBJDUMP  [--leaf ...] ...

--callgraph: frames and calls as g++ writes them (-fcallgraph-info=su,da). --usage: frames as clang writes them
(-fstack-usage); the calls are then read from the image's disassembly. Functions that neither knows (libgcc's soft float)
are read from the disassembly, frames too: every push and every subtraction from the stack pointer counts once.
--leaf NAME=BYTES states the frame of a function that calls nothing and that the image does not hold.

Refuses with exit code 1: recursion, a frame whose size is known at run time only, a call through a pointer, a callee
without a frame, and a result above --limit.
"""
import argparse
import json
import re
import subprocess
import sys


class Unbounded(Exception):
    pass


class Graph:
    def __init__(self):
        self.frame = {}     # function -> bytes
        self.callees = {}   # function -> set of functions
        self.dynamic = set()
        self.known = {}     # function -> (bytes, path), as `worst` finds them

    def read_callgraph(self, path):
        with open(path) as file:
            for line in file:
                node = re.match(r'node: \{ title: "([^"]+)" label: "([^"]*)"', line)
                if node:
                    size = re.search(r"(\d+) bytes \(([a-z,]+)\)", node[2])
                    if size:
                        self.frame[node[1]] = max(int(size[1]), self.frame.get(node[1], 0))
                        if size[2] == "dynamic":  # "dynamic,bounded" is the bound
                            self.dynamic.add(node[1])
                        self.callees.setdefault(node[1], set())
                    continue
                edge = re.match(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', line)
                if edge:
                    self.callees.setdefault(edge[1], set()).add(edge[2])

    def read_usage(self, path):
        """clang: file:line:function<tab>bytes<tab>static|dynamic."""
        with open(path) as file:
            for line in file:
                place, size, kind = line.rstrip("\n").split("\t")
                name = place.rsplit(":", 1)[-1]
                self.frame[name] = max(int(size), self.frame.get(name, 0))
                if kind == "dynamic":
                    self.dynamic.add(name)

    def worst(self, name, above=()):
        if name in above:
            raise Unbounded("recursion: " + " -> ".join((*above[above.index(name):], name)))
        if name == "__indirect_call":
            raise Unbounded(f"{above[-1]} calls through a pointer")
        if name not in self.frame:
            raise Unbounded(f"no frame is known of {name}, which {above[-1] if above else 'is the root'}"
                            + (" calls" if above else ""))
        if name in self.dynamic:
            raise Unbounded(f"{name} has a frame whose size is known at run time only")
        if name not in self.known:
            best, path = 0, []
            for callee in sorted(self.callees.get(name, ())):
                size, below = self.worst(callee, (*above, name))
                if size > best:
                    best, path = size, below
            self.known[name] = (self.frame[name] + best, [(name, self.frame[name]), *path])
        return self.known[name]


class Image:
    """Frames and calls of an image's functions, by its disassembly (Arm, Thumb, AArch64, x86-64)."""

    def __init__(self, elf, objdump):
        # objdump demangles with -C only: these are the linker's names.
        made = subprocess.run([objdump, "-d", "--no-show-raw-insn", elf], capture_output=True, text=True, check=True)
        self.text, name, self.alias = {}, None, {}
        for line in made.stdout.splitlines():
            head = re.match(r"^([0-9a-f]+) <(.+)>:$", line)
            if head:
                name = head[2]
                self.text[name] = []
                continue
            instruction = re.match(r"^\s*[0-9a-f]+:\s+(\S+)\s*(.*)$", line)
            if instruction and name:
                self.text[name].append((instruction[1], instruction[2].split(";")[0].split("//")[0].strip()))
        # Several names of one address: objdump prints one of them.
        symbols = subprocess.run([objdump, "-t", elf], capture_output=True, text=True, check=True).stdout
        at = {}
        for line in symbols.splitlines():
            row = re.match(r"^([0-9a-f]+)\s.*\s([0-9a-f]+)\s+(?:\.hidden\s+)?(\S+)$", line)
            if row:
                at.setdefault(int(row[1], 16) & ~1, []).append(row[3])
        for names in at.values():
            shown = [n for n in names if n in self.text]
            for n in names:
                if shown and n not in self.text:
                    self.alias[n] = shown[0]

    @staticmethod
    def pushed(word, operands):
        """Bytes that one instruction takes from the stack; None: unknown."""
        registers = re.search(r"\{(.*)\}", operands)
        if (word.startswith("push") or word.startswith("vpush") or (
                re.match(r"^v?stm(db|fd)", word) and re.match(r"sp!", operands))) and registers:
            count = 0
            for part in registers[1].split(","):
                ends = re.findall(r"([a-z]+)(\d+)", part.strip())
                if "-" in part and len(ends) == 2:
                    count += (int(ends[1][1]) - int(ends[0][1]) + 1) * (2 if ends[0][0] == "d" else 1)
                else:
                    count += 2 if part.strip().startswith("d") else 1
            return 4 * count
        if re.match(r"^str(d)?(\.w)?$", word):
            fall = re.search(r"\[sp, #-(\d+)\]!", operands)
            return int(fall[1]) if fall else 0
        if word in ("stp", "str"):
            fall = re.search(r"\[sp, #-(\d+)\]!", operands)
            return int(fall[1]) if fall else 0
        if re.match(r"^sub(\.w|w|s)?$", word):
            fall = re.match(r"sp, (?:sp, )?#(0x[0-9a-f]+|\d+)(, lsl #12)?$", operands)
            if fall:
                return int(fall[1], 0) << (12 if fall[2] else 0)
            if re.match(r"sp,", operands):
                return None
            x86 = re.match(r"\$(0x[0-9a-f]+),%rsp$", operands)
            if x86:
                return int(x86[1], 16)
        return 0

    def add_to(self, graph, name, frames_too):
        shown = name if name in self.text else self.alias.get(name)
        if shown is None:
            return False
        size, calls = 0, set()
        for word, operands in self.text[shown]:
            taken = self.pushed(word, operands)
            if taken is None:
                graph.dynamic.add(name)
            else:
                size += taken
            target = re.search(r"<([^>+]+)>", operands)
            if word in ("bl", "blx", "call", "callq") or (
                    re.match(r"^b(\.w|\.n)?$|^b(eq|ne|cs|cc|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)(\.w|\.n)?$|^jmpq?$", word)):
                if target and target[1] != shown:
                    calls.add(target[1])
                elif not target and word in ("blx", "call", "callq"):
                    calls.add("__indirect_call")
        if frames_too:
            graph.frame[name] = size
        graph.callees[name] = calls
        return True


def fill_in(graph, image, root, usage):
    """Fills in what only the image knows, from the root on."""
    todo, seen = [root], set()
    while todo:
        name = todo.pop()
        if name in seen or name == "__indirect_call":
            continue
        seen.add(name)
        if image and (name not in graph.frame or usage):
            image.add_to(graph, name, frames_too=name not in graph.frame)
        todo.extend(graph.callees.get(name, ()))


def bound(root, callgraph=(), usage=(), image=None, objdump="objdump", leaves=None):
    """(bytes, the path that takes them) or Unbounded."""
    graph = Graph()
    picture = Image(image, objdump) if image else None
    for path in callgraph:
        graph.read_callgraph(path)
    for path in usage:
        graph.read_usage(path)
    for name, size in (leaves or {}).items():
        graph.frame.setdefault(name, size)
        graph.callees.setdefault(name, set())
    fill_in(graph, picture, root, bool(usage))
    return graph.worst(root)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root")
    parser.add_argument("--callgraph", nargs="+", default=[])
    parser.add_argument("--usage", nargs="+", default=[])
    parser.add_argument("--image")
    parser.add_argument("--objdump", default="objdump")
    parser.add_argument("--leaf", action="append", default=[])
    parser.add_argument("--limit", type=int)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if not arguments.callgraph and not (arguments.usage and arguments.image):
        parser.error("--callgraph, or --usage and --image, is needed")
    leaves = {name: int(size) for name, size in (leaf.split("=") for leaf in arguments.leaf)}
    try:
        size, path = bound(arguments.root, arguments.callgraph, arguments.usage, arguments.image, arguments.objdump, leaves)
    except Unbounded as why:
        sys.exit(f"stack_bound: {arguments.root}: {why}")
    if arguments.json:
        print(json.dumps({"stack": size, "path": path}))
    else:
        print(f"{arguments.root}: {size} bytes")
        for name, own in path:
            print(f"  {own:6} {name}")
    if arguments.limit is not None and size > arguments.limit:
        sys.exit(f"stack_bound: {size} bytes are more than {arguments.limit}")


if __name__ == "__main__":
    main()
