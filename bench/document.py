"""docs/benchmarks.md: each benchmark keeps the section of its own last run and leaves the others alone."""
import re
from pathlib import Path

FILE = Path(__file__).resolve().parents[1] / "docs/benchmarks.md"
HEAD = "# Benchmarks\n"


def section_of(name, text):
    return f"<!-- begin {name} -->\n{text.strip()}\n<!-- end {name} -->\n"


def keep(name, text, alone=False):
    """Puts `text` in the place of the section, or at the end. With `alone` what stands in no section goes."""
    old = FILE.read_text(encoding="utf-8") if FILE.exists() else HEAD
    if alone:
        old = HEAD + "".join("\n" + found.group(0) for found in re.finditer(r"<!-- begin (\w+) -->\n.*?<!-- end \1 -->\n", old, re.S))
    pattern = re.compile(rf"<!-- begin {name} -->\n.*?<!-- end {name} -->\n", re.S)
    new = section_of(name, text)
    if pattern.search(old):
        old = pattern.sub(lambda _: new, old)
    else:
        old = old.rstrip("\n") + "\n\n" + new
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(old, encoding="utf-8")
