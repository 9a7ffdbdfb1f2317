"""What the toy pipeline's steps do. Each leaves a line in ``folder/ran``.

Files named break-STEP and wait-STEP steer them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("step")
for name in ("say", "folder", "word", "note", "status", "executor-input"):
    parser.add_argument(f"--{name}", default="")
arguments = parser.parse_args()

folder = Path(arguments.folder)
with open(folder / "ran", "a") as log:
    log.write(arguments.step + "\n")
print("progress 1/2 rows · half")
if (folder / f"break-{arguments.step}").exists():
    sys.exit("the toy broke")
if (folder / f"wait-{arguments.step}").exists():
    child = subprocess.Popen(["sleep", "60"])
    (folder / "pids").write_text(f"{os.getpid()} {child.pid}")
    time.sleep(60)
if arguments.step == "first":
    Path(arguments.word).write_text(arguments.say)
    Path(arguments.note).mkdir()
    (Path(arguments.note) / "note.txt").write_text("hello")
elif arguments.step == "second" and (Path(arguments.note) / "note.txt").read_text() != "hello":
    sys.exit("the note is missing")
outputs = json.loads(arguments.executor_input)["outputs"]
Path(outputs["outputFile"]).write_text(json.dumps({"artifacts": outputs.get("artifacts", {})}))
