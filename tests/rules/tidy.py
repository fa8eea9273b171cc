#!/usr/bin/env python3
"""Runs clang-tidy on one file with the commands of a gcc build: tidy.py BUILD_DIR FILE.

clang cannot read gcc's precompiled header, so the command gets the header it was made from instead."""
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DROPPED = {"-Winvalid-pch", "-fno-strict-aliasing"}


def clang_arguments(command):
    """The compiler's arguments without launcher, output, gcc's flags and the precompiled header."""
    words = shlex.split(command)
    start = next(i for i, word in enumerate(words) if re.search(r"(?:^|/)(?:c\+\+|g\+\+|clang\+\+)(?:-\d+)?$", word))
    arguments, skip = [], 0
    for word in words[start + 1:]:
        if skip:
            skip -= 1
        elif word in ("-o", "-include", "-MF", "-MT"):
            skip = 1
        elif word not in DROPPED and word not in ("-c", "-MD"):
            arguments.append(word)
    return [argument for argument in arguments if not argument.endswith(".cpp")]


def main():
    build, file = Path(sys.argv[1]), (ROOT / sys.argv[2]).resolve()
    commands = json.loads((build / "compile_commands.json").read_text())
    entry = next((entry for entry in commands if Path(entry["file"]).resolve() == file), None)
    if entry is None:
        print(f"{sys.argv[2]}: not part of the build, not checked")
        return 0
    arguments = ["-include", str(ROOT / "cmake/pch.hpp"), *clang_arguments(entry["command"])]
    run = subprocess.run(["clang-tidy", "--quiet", str(file), "--", *arguments], cwd=entry["directory"],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    lines = [line for line in run.stdout.splitlines() if not re.match(r"\d+ warnings? generated|Suppressed |Use -header", line)]
    if lines:
        print("\n".join(lines))
    return 1 if run.returncode != 0 or any(": warning: " in line or ": error: " in line for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
