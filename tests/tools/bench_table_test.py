"""emmy_compare and tools/bench_table.py end to end on the smallest workload: bench_table_test.py PROGRAM TABLE.

Times are not looked at.
"""
import json
import os
import subprocess
import sys
import tempfile

program, table = sys.argv[1:]


def run(*words, status=0):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


with tempfile.TemporaryDirectory() as folder:
    own, joined = os.path.join(folder, "own.json"), os.path.join(folder, "joined.json")
    printed = run(program, "--rounds", "2", "--workload", "W1", "--json", own)
    rows = json.load(open(own, encoding="utf-8"))
    keys = set()
    for row in rows:
        key = tuple(row[k] for k in ("workload", "batch", "mode", "variant", "isa", "backend", "scalar_type", "ledger"))
        assert key not in keys, key
        keys.add(key)
        assert key[0] == "W1" and key[2] in ("train", "infer") and key[7] in ("none", "predict", "measure", "every16"), key
        assert row["ns"] > 0 and row["gflops"] > 0 and row["peak_fraction"] > 0 and row["ram_bytes"] > 0, row
        assert row["heap_calls"] == 0 and row["heap_bytes"] == 0, row
        for name in ("eigen_dynamic", "plain_c", "plain_c_fast"):
            ratio = row["opponents"][name]
            assert 0 < ratio["ratio_low"] <= ratio["ratio_median"] <= ratio["ratio_high"], row
    assert len({key[1:] for key in keys if key[5] != "xsimd"}) == 9, keys  # batch 1: 4 ledgers, infer; batch 4: 4 ledgers
    assert printed.count("\n|---") == 3, printed  # a table each: batch 1 training and inference, batch 4 training

    lines = run(table, "--json", joined, own).splitlines()
    assert len(lines) == len(rows) + 2, lines
    assert len({line.count("|") for line in lines}) == 1, lines
    assert json.load(open(joined, encoding="utf-8")) == rows
    run(table, own, own, status=1)  # each key twice

for words in (["--rounds"], ["--rounds", "-1"], ["--rounds", "x"], ["--workload", "W9"], ["--workload", ""], ["--frob", "1"]):
    run(program, *words, status=2)
run(program, "--rounds", "1", "--workload", "gemv1", "--json", "/absent/rows.json", status=2)
