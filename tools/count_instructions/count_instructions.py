#!/usr/bin/env python3
"""Instructions of a call of one function, its callees included: exact and the same on every run.

    count_instructions.py ELF SYMBOL [--objdump OBJDUMP] [--skip N] [--json] --qemu      EMULATOR ARGUMENT...
    count_instructions.py ELF SYMBOL [--objdump OBJDUMP] [--skip N] [--json] --callgrind [ARGUMENT...]
    count_instructions.py ELF SYMBOL [--objdump OBJDUMP] [--skip N] [--json] --single-step CALLS [ARGUMENT...]

--qemu runs the whole command line after it, with the plugin count.cpp behind the emulator's name (user or system mode).
--callgrind (up to AVX2) and --single-step (any instruction) run ELF on this x86-64 machine. ELF is not position
independent. The first N calls (default 1) do not count: a first training step also reads all weights once; callgrind
cannot leave calls out, so the first is estimated away by a second run: see callgrind(). Prints

    SYMBOL calls N per_call MEAN least L most M
"""
import argparse
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 900  # seconds; nothing here takes half as long


def fail(text):
    sys.exit(f"count_instructions: {text}")


def run(command, **options):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, **options)
    except FileNotFoundError:
        fail(f"{command[0]} is not installed")
    except subprocess.TimeoutExpired:
        fail(f"{command[0]} took longer than {LIMIT} s")


def build(source, options):
    """The tool, compiled for this machine into a cache that parallel runs share: made aside, then renamed."""
    folder = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "emmy")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(HERE, source)
    with open(path, "rb") as file:
        text = file.read()
    name = os.path.join(folder, f"{source}.{hashlib.sha256(text).hexdigest()[:16]}")
    if not os.path.exists(name):
        handle, draft = tempfile.mkstemp(dir=folder)
        os.close(handle)
        made = run(["g++", "-O2", "-Wall", "-Wextra", "-std=c++20", *options, path, "-o", draft])
        if made.returncode != 0:
            os.unlink(draft)
            fail(f"{source} does not compile:\n{made.stderr}")
        os.chmod(draft, 0o755)
        os.rename(draft, name)
    return name


@functools.cache
def disassemble(objdump, elf):
    listing = run([objdump, "-d", "--no-show-raw-insn", elf])
    if listing.returncode != 0:
        fail(f"{objdump} cannot read {elf}: {listing.stderr}")
    return listing.stdout


def find_calls(listing, symbol):
    """The address of SYMBOL and of every instruction that follows a call of it."""
    entry, returns, after_call = None, [], False
    for line in listing.splitlines():
        head = re.match(r"^([0-9a-f]+) <(.+)>:$", line)
        if head:
            if head[2] == symbol:
                entry = int(head[1], 16)
            continue
        instruction = re.match(r"^\s*([0-9a-f]+):\s+(\S.*)$", line)
        if not instruction:
            continue
        if after_call:
            returns.append(int(instruction[1], 16))
            after_call = False
        target = re.search(r"<([^>]+)>", instruction[2])
        if target and target[1] == symbol:
            word = instruction[2].split()[0]
            if word in ("bl", "blx", "call", "callq"):
                after_call = True
            elif word in ("b", "b.w", "b.n", "jmp", "jmpq"):
                fail(f"{symbol} is tail-called at {instruction[1]}: its end cannot be seen")
    if entry is None:
        fail(f"there is no function {symbol}")
    if not returns:
        fail(f"nothing calls {symbol} by its name")
    return entry, returns


def numbers(text):
    found = re.search(r"calls (\d+) counted (\d+) sum (\d+) least (\d+) most (\d+) nested (\d+) open (\d+)", text)
    if not found:
        return None
    return dict(zip(("calls", "counted", "sum", "least", "most", "nested", "open"), map(int, found.groups())))


def qemu(arguments, command):
    entry, returns = find_calls(disassemble(arguments.objdump, arguments.elf), arguments.symbol)
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "counts")
        plugin = build("count.cpp", ["-shared", "-fPIC", "-fvisibility=hidden"])
        words = [plugin, f"entry={entry:x}", *(f"return={r:x}" for r in returns), f"skip={arguments.skip}", f"out={out}"]
        if not shutil.which(command[0]):
            fail(f"{command[0]} is not installed")
        ran = run([command[0], "-plugin", ",".join(words), *command[1:]], stdin=subprocess.DEVNULL)
        if ran.returncode != 0 or not os.path.exists(out):
            fail(f"the program ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")
        with open(out) as file:
            result = numbers(file.read())
    if result["nested"] or result["open"]:
        fail(f"{arguments.symbol} is entered again before it returns: recursion, or its end was not seen")
    return result


def callgrind_sum(arguments, options):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "callgrind.out")
        ran = run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--collect-atstart=no",
                   f"--toggle-collect={arguments.symbol}", arguments.elf, *options], stdin=subprocess.DEVNULL)
        if ran.returncode != 0:
            fail(f"valgrind ended with {ran.returncode}:\n{ran.stderr[-2000:]}")
        total = calls = 0
        with open(out) as file:
            text = file.read()
    total = int(re.search(r"^(?:totals|summary): (\d+)", text, re.M)[1])
    return total, ran.stdout


def callgrind(arguments, options):
    """Callgrind only knows sums. The program prints how often it calls SYMBOL as a line 'SYMBOL calls N'."""
    total, printed = callgrind_sum(arguments, options)
    calls = re.search(rf"^{re.escape(arguments.symbol)} calls (\d+)", printed, re.M)
    if not calls:
        fail(f"the program does not print '{arguments.symbol} calls N'")
    calls = int(calls[1])
    result = {"calls": calls, "counted": calls, "sum": total, "least": 0, "most": 0}
    if arguments.skip:
        # What the first calls took, by single steps: both methods count the same instructions.
        first = single_step(arguments, options, skip=0, calls=arguments.skip)
        result["counted"] -= first["counted"]
        result["sum"] -= first["sum"]
    return result


def callgrind_each(elf, prefix):
    """What all calls of each function that begins with `prefix` took, callees included: one run for all of them."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "callgrind.out")
        ran = run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--collect-atstart=no",
                   f"--toggle-collect={prefix}*", "--compress-strings=no", "--compress-pos=no", elf],
                  stdin=subprocess.DEVNULL)
        if ran.returncode != 0:
            fail(f"valgrind ended with {ran.returncode}:\n{ran.stderr[-2000:]}")
        sums, name = {}, None
        with open(out) as file:
            for line in file:  # fn=NAME, then its own costs and those of its calls, as LINE COST
                if line.startswith("fn="):
                    name = line[3:].strip()
                cost = re.match(r"^\+?\d+ (\d+)$", line)
                if cost and name is not None and name.startswith(prefix):
                    sums[name] = sums.get(name, 0) + int(cost[1])
    return sums


def single_step(arguments, options, skip, calls):
    entry, _ = find_calls(disassemble(arguments.objdump, arguments.elf), arguments.symbol)
    ran = run([build("single_step.cpp", []), f"{entry:x}", str(skip), str(calls), arguments.elf, *options],
              stdin=subprocess.DEVNULL)
    result = numbers(ran.stdout)
    if ran.returncode != 0 or result is None:
        fail(f"single_step failed: {ran.stdout}{ran.stderr}")
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("elf")
    parser.add_argument("symbol")
    parser.add_argument("--objdump", default="objdump")
    parser.add_argument("--skip", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--qemu", nargs=argparse.REMAINDER)
    parser.add_argument("--callgrind", nargs=argparse.REMAINDER)
    parser.add_argument("--single-step", nargs=argparse.REMAINDER, dest="single_step")
    arguments = parser.parse_args()
    if arguments.qemu:
        result = qemu(arguments, arguments.qemu)
    elif arguments.callgrind is not None:
        result = callgrind(arguments, arguments.callgrind)
    elif arguments.single_step:
        result = single_step(arguments, arguments.single_step[1:], arguments.skip, int(arguments.single_step[0]))
    else:
        parser.error("one of --qemu, --callgrind, --single-step is needed")
    if result["counted"] == 0:
        fail(f"{arguments.symbol} was called {result['calls']} times, which leaves none to count")
    result["per_call"] = result["sum"] / result["counted"]
    if arguments.json:
        print(json.dumps(result))
    else:
        print(f"{arguments.symbol} calls {result['counted']} per_call {result['per_call']:.3f} "
              f"least {result['least']} most {result['most']}")


if __name__ == "__main__":
    main()
