#!/usr/bin/env python3
"""The rules of the house that a compiler does not check. `check_rules.py [ROOT]` prints what breaks them and ends 1.

Each rule is a function from (path, text) to findings, so that rules_test.py can feed it bad snippets."""
import re
import sys
from dataclasses import dataclass
from pathlib import Path

FLOORS = {"core": 0, "messages": 1, "config": 2, "actors": 3, "runtime": 3, "api": 4, "podium": 5}
MAX_LINES = 400


@dataclass(frozen=True)
class Finding:
    path: str
    line: int
    text: str
    warning: bool = False

    def __str__(self):
        return f"{self.path}:{self.line}: {'warning: ' if self.warning else ''}{self.text}"


def is_cpp(path):
    return path.endswith((".cpp", ".hpp", ".inc"))


def floor_of(path):
    top = path.split("/", 1)[0]
    return top if top in FLOORS and "/" in path else None


CODE = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<raw>R"(?P<tag>[^\s()\\]{0,16})\(.*?\)(?P=tag)")|(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+')""",
    re.DOTALL | re.VERBOSE,
)


def code_only(text):
    """The text with comments and literals blanked; line numbers stay."""
    return CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def each_match(path, text, pattern, message):
    for match in re.finditer(pattern, text):
        yield Finding(path, line_of(text, match.start()), message.format(match.group(0).strip()))


def floors(path, text):
    """core < messages < config < {actors, runtime} < api < podium; actors and runtime never meet."""
    own = floor_of(path)
    if own is None or not is_cpp(path):
        return
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*["<]([^">]+)[">]', text, re.MULTILINE):
        other = floor_of(match.group(1))
        if other is None or other == own:
            continue
        if FLOORS[other] > FLOORS[own]:
            problem = f"{own} is below {other} and must not include {match.group(1)}"
        elif FLOORS[other] == FLOORS[own]:
            problem = f"{own} and {other} must not know each other: {match.group(1)} (they meet in messages/)"
        else:
            continue
        yield Finding(path, line_of(text, match.start()), problem)


CLOCKS = (
    r"\b(?:steady_clock|system_clock|high_resolution_clock|utc_clock)::now\b|\bsleep_(?:for|until)\b"
    r"|\b(?:usleep|nanosleep|sleep|gettimeofday|clock_gettime)\s*\(|\b(?:std::)?time\s*\(\s*(?:0|NULL|nullptr)\s*\)"
    r"|#\s*include\s*<(?:thread|ctime|time\.h|sys/time\.h)>"
)
RANDOMNESS = (
    r"\brandom_device\b|\bmt19937(?:_64)?\b|\bdefault_random_engine\b|\bminstd_rand0?\b|\bstd::\w+_distribution\b"
    r"|\b(?:s?rand|random|drand48|getrandom|arc4random)\s*\(|\bstd::(?:shuffle|sample)\b|#\s*include\s*<random>"
)
OUTSIDE_WORLD = r"#\s*include\s*<(?:unistd\.h|fcntl\.h|signal\.h|csignal|sys/[^>]+|netinet/[^>]+|arpa/[^>]+|uv\.h|fstream|filesystem|curl/[^>]+|sqlite3\.h)>"


def in_actors(path):
    return path.startswith("actors/") and is_cpp(path)


def clocks(path, text):
    """Actors know no clock but the actor clock and never sleep."""
    if in_actors(path):
        yield from each_match(path, code_only(text), CLOCKS, "{0}: actors have the actor clock only, and never sleep")


def randomness(path, text):
    """Actors draw from the one seeded stream (core/random.hpp) only."""
    if in_actors(path):
        yield from each_match(path, code_only(text), RANDOMNESS, "{0}: actors draw from the seeded stream only")


def outside_world(path, text):
    """Actors reach the outside world through ports only."""
    if in_actors(path):
        yield from each_match(path, code_only(text), OUTSIDE_WORLD, "{0}: the outside world lies behind a port")


UNORDERED_NAME = re.compile(r"\bunordered_(?:multi)?(?:map|set)\s*<[^;{}()]*>\s*&?\s*(\w+)\s*(?=[;={,)])")


def unordered_names(text):
    return set(UNORDERED_NAME.findall(code_only(text)))


def unordered(path, text, known=frozenset()):
    """Order that depends on hashing or on addresses would make two runs of one seed differ."""
    if not in_actors(path):
        return
    code = code_only(text)
    yield from each_match(path, code, r"\b(?:map|set)\s*<\s*(?:const\s+)?[\w:]+\s*\*",
                          "{0}: ordered by address, which differs from run to run")
    for name in sorted(unordered_names(text) | set(known)):
        loop = rf"\bfor\s*\([^;()]*:\s*(?:\w+(?:\.|->))*{name}\s*\)|\b{name}\s*\.\s*c?begin\s*\("
        yield from each_match(path, code, loop, "{0}: the order of an unordered container shows")


def using_namespace(path, text):
    """Fixtures of tests are included once and may spell durations as 5s."""
    if path.endswith(".hpp") and path.startswith("tests/"):
        text = re.sub(r"using namespace std::(?:chrono_literals|literals)\b", "", text)
    if path.endswith(".hpp"):
        yield from each_match(path, code_only(text), r"\busing\s+namespace\s+[\w:]+", "{0} in a header")


def pragma_once(path, text):
    if path.endswith(".hpp") and "#pragma once" not in text:
        yield Finding(path, 1, "a header without #pragma once")


def header_says_what_for(path, text):
    if path.endswith(".hpp") and not path.startswith("tests/") and not text.lstrip().startswith(("//", "/*")):
        yield Finding(path, 1, "a header starts with what it is for, in a line or two", warning=True)


def length(path, text):
    count = text.count("\n")
    if path.endswith((".cpp", ".hpp")) and count > MAX_LINES:
        yield Finding(path, count, f"{count} lines; more than about {MAX_LINES} tell of a missing part", warning=True)


# Put together from parts, so that this file does not break its own rules.
MACHINE_PATHS = r"(?<![\w.:}])/(?:" + r"wo" + r"rk/|ro" + r"ot/[\w.]|ho" + r"me/\w|tmp/b-)"
UNFINISHED = r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b|\bfor n" + r"ow\b"


def machine_paths(path, text):
    yield from each_match(path, text, MACHINE_PATHS, "{0}: a path of one machine")


def unfinished(path, text):
    yield from each_match(path, text, UNFINISHED, "{0}: finish it or leave it out")


RULES = [floors, clocks, randomness, outside_world, using_namespace, pragma_once, header_says_what_for, length,
         machine_paths, unfinished]
TEXT_SUFFIXES = {".cpp", ".hpp", ".inc", ".py", ".sh", ".md", ".txt", ".cmake", ".yaml", ".yml", ".json", ".in", ""}
NOT_OURS = {".git", "build", ".cache", "__pycache__"}


def tree_files(root):
    for file in sorted(root.rglob("*")):
        relative = file.relative_to(root)
        if NOT_OURS.intersection(relative.parts) or not file.is_file() or file.is_symlink():
            continue
        if file.suffix in TEXT_SUFFIXES and file.name != "LICENSE" and "corpus" not in relative.parts:
            yield relative.as_posix(), file


def check_tree(root):
    texts = {}
    for path, file in tree_files(root):
        try:
            texts[path] = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    findings = []
    members = {}
    for path, text in texts.items():
        if in_actors(path):
            # A member declared in foo.hpp is iterated in foo*.cpp.
            members.setdefault(path.rsplit(".", 1)[0], set()).update(unordered_names(text))
    for path, text in texts.items():
        for rule in RULES:
            findings.extend(rule(path, text))
        known = set().union(*(names for stem, names in members.items() if path.startswith(stem))) if members else set()
        findings.extend(unordered(path, text, known))
    return findings


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[2])
    findings = check_tree(root)
    for finding in findings:
        print(finding)
    return 1 if any(not finding.warning for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
