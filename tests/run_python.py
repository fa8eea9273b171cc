#!/usr/bin/env python3
"""Runs the unittest cases of one file and writes a JUnit report: run_python.py FILE REPORT."""
import importlib.util
import sys
import time
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path


class Recorder(unittest.TextTestResult):
    """Keeps the outcome and the time of each case for the report."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.cases = []

    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def record(self, test, outcome, text=""):
        seconds = time.monotonic() - getattr(self, "began", time.monotonic())
        self.cases.append((test.id(), outcome, text, seconds))

    def addSuccess(self, test):
        super().addSuccess(test)
        self.record(test, "passed")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.record(test, "failed", self._exc_info_to_string(err, test))

    def addError(self, test, err):
        super().addError(test, err)
        self.record(test, "failed", self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.record(test, "skipped", reason)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.record(subtest, "failed", self._exc_info_to_string(err, test))

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.record(test, "failed", "expected failures are not used here")


def write_report(file, cases):
    suite = ElementTree.Element("testsuite", name=Path(sys.argv[1]).stem, tests=str(len(cases)))
    for name, outcome, text, seconds in cases:
        case = ElementTree.SubElement(suite, "testcase", name=name.split(".", 1)[-1], time=f"{seconds:.3f}")
        if outcome == "failed":
            message = text.strip().splitlines()[-1] if text.strip() else "failed"
            ElementTree.SubElement(case, "failure", message=message).text = message + "\n" + text
        elif outcome == "skipped":
            ElementTree.SubElement(case, "skipped", message=text)
    file.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(suite).write(file, encoding="unicode", xml_declaration=True)


def main():
    source, report = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    sys.path.insert(0, str(source.parent))
    spec = importlib.util.spec_from_file_location(source.stem, source)
    module = importlib.util.module_from_spec(spec)
    sys.modules[source.stem] = module
    spec.loader.exec_module(module)
    loader = unittest.defaultTestLoader
    if len(sys.argv) > 3:
        loader.testNamePatterns = [f"*{pattern}*" for pattern in sys.argv[3:]]
    suite = loader.loadTestsFromModule(module)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Recorder).run(suite)
    write_report(report, result.cases)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
