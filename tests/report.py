#!/usr/bin/env python3
"""Counts the test cases of one run: reads ctest.xml and the reports that the test programs left beside it.

usage: report.py DIRECTORY; prints what failed and what was left out, then as the last line "N passed, N failed"."""
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def read_cases(file):
    """(name, outcome, text) of each case of a JUnit file."""
    cases = []
    for case in ElementTree.parse(file).getroot().iter("testcase"):
        name = ".".join(part for part in (case.get("classname"), case.get("name")) if part)
        bad = [child for child in case if child.tag in ("failure", "error")]
        skipped = case.find("skipped")
        if bad:
            text = (bad[0].text or bad[0].get("message") or "").strip()
            cases.append((name, "failed", text))
        elif skipped is not None or case.get("status") in ("skipped", "disabled", "notrun"):
            reason = skipped.get("message") if skipped is not None else None
            cases.append((name, "left out", reason or "the test framework did not run it"))
        else:
            cases.append((name, "passed", ""))
    return cases


def program_cases(directory, name, ok):
    """The cases of one ctest test; one that died without a report, or failed outside its cases, counts as one."""
    file = directory / f"{name}.xml"
    cases = []
    if file.exists():
        try:
            cases = read_cases(file)
        except ElementTree.ParseError as problem:
            cases = [("(the report)", "failed", f"cannot be read: {problem}")]
    if not cases and ok:
        cases = [("(whole program)", "passed", "")]
    if not ok and not any(outcome == "failed" for _, outcome, _ in cases):
        cases.append(("(the program)", "failed", "ended badly outside its test cases: see the output above"))
    return cases


def main():
    directory = Path(sys.argv[1])
    passed, failed, left_out = 0, [], []
    try:
        tests = list(ElementTree.parse(directory / "ctest.xml").getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError) as problem:
        print(f"report: no result of ctest: {problem}", file=sys.stderr)
        tests, failed = [], [("ctest", "no result")]
    for test in tests:
        name = test.get("name")
        for case, outcome, text in program_cases(directory, name, test.get("status") == "run"):
            if outcome == "passed":
                passed += 1
            elif outcome == "failed":
                failed.append((f"{name}: {case}", text))
            else:
                left_out.append((f"{name}: {case}", text))
    for name, text in left_out:
        print(f"left out: {name}: {text}")
    for name, text in failed:
        print(f"FAILED: {name}" + (f": {text.splitlines()[0][:200]}" if text else ""))
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
