#!/usr/bin/env python3
"""tools/stack_bound.py: the bound of a program without loops in its call graph, and each reason for which there is none.

    stack_bound_test.py STACK_BOUND COMPILER [FLAG...]      a g++ that writes -fcallgraph-info
"""
import json
import os
import re
import subprocess
import sys
import tempfile

tool, compiler, flags = sys.argv[1], sys.argv[2], sys.argv[3:]
HEAD = """
extern "C" {
void use(char*);
[[gnu::noipa]] void leaf() { char room[100]; use(room); }
[[gnu::noipa]] void small() { char room[10]; use(room); }
"""
CASES = [  # name, text, what is refused
    ("bounded", "[[gnu::noipa]] void root() { leaf(); small(); leaf(); __asm__ volatile(\"\"); }", None),
    ("recursion", "[[gnu::noipa]] void root() { leaf(); root(); __asm__ volatile(\"\"); }", "recursion: root -> root"),
    ("mutual recursion", "void root(); [[gnu::noipa]] void other() { root(); __asm__ volatile(\"\"); }"
                         "[[gnu::noipa]] void root() { other(); __asm__ volatile(\"\"); }", "recursion: root -> other -> root"),
    ("dynamic frame", "[[gnu::noipa]] void root(unsigned n) { use(static_cast<char*>(__builtin_alloca(n))); }",
     "known at run time only"),
    ("call through a pointer", "[[gnu::noipa]] void root(void (*f)()) { f(); __asm__ volatile(\"\"); }", "through a pointer"),
    ("unknown callee", "void far(); [[gnu::noipa]] void root() { far(); __asm__ volatile(\"\"); }", "no frame is known of far"),
]
wrong = 0
with tempfile.TemporaryDirectory() as folder:
    for name, text, refusal in CASES:
        source, graph = os.path.join(folder, "a.cpp"), os.path.join(folder, "a.ci")
        with open(source, "w") as file:
            file.write(HEAD + text + "\n}\n")
        subprocess.run([compiler, *flags, "-O1", "-fcallgraph-info=su,da", "-c", source, "-o", os.path.join(folder, "a.o")],
                       check=True, cwd=folder)
        command = [sys.executable, tool, "root", "--callgraph", graph, "--leaf", "use=40", "--json"]
        made = subprocess.run(command, capture_output=True, text=True)
        if refusal is not None:
            right = made.returncode == 1 and refusal in made.stderr
        else:
            with open(graph) as file:
                frame = dict(re.findall(r'title: "(\w+)" label: "[^"]*?(\d+) bytes', file.read()))
            expected = int(frame["root"]) + int(frame["leaf"]) + 40
            right = made.returncode == 0 and json.loads(made.stdout)["stack"] == expected and int(frame["leaf"]) >= 100
            for limit, code in ((expected, 0), (expected - 1, 1)):
                right = right and subprocess.run([*command, "--limit", str(limit)], capture_output=True).returncode == code
        if not right:
            print(f"{name}: exit code {made.returncode}\n{made.stdout}{made.stderr}")
            wrong = 1
sys.exit(wrong)
