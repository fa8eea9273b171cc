"""The tree keeps the rules of the house, and each rule finds what breaks it."""
import os
import unittest
from pathlib import Path

import check_rules as rules

ROOT = Path(os.environ.get("PODIUM_SOURCE_DIR", Path(__file__).resolve().parents[2]))


class TheTree(unittest.TestCase):
    def test_keeps_every_rule(self):
        findings = rules.check_tree(ROOT)
        for finding in findings:
            if finding.warning:
                print(finding)
        self.assertEqual([], [str(finding) for finding in findings if not finding.warning])

    def test_is_read_at_all(self):
        paths = [path for path, _ in rules.tree_files(ROOT)]
        self.assertIn("CMakeLists.txt", paths)
        self.assertTrue(any(path.startswith("core/") for path in paths))
        self.assertFalse([path for path in paths if path.startswith("build/")])


class RuleCase(unittest.TestCase):
    def bad(self, rule, path, text):
        found = [finding for finding in rule(path, text) if not finding.warning]
        self.assertTrue(found, f"{rule.__name__} should find {text!r} in {path}")
        return found[0]

    def good(self, rule, path, text):
        self.assertEqual([], [str(finding) for finding in rule(path, text)])


class Floors(RuleCase):
    def test_an_include_never_goes_up(self):
        for path, include in [("core/a.hpp", "messages/pod.hpp"), ("messages/a.hpp", "config/yaml.hpp"),
                              ("config/a.cpp", "actors/pod.hpp"), ("config/a.cpp", "runtime/loop/event_loop.hpp"),
                              ("runtime/oci/a.cpp", "api/server.hpp"), ("api/a.cpp", "podium/engine.hpp")]:
            self.bad(rules.floors, path, f'#pragma once\n#include "{include}"\n')

    def test_actors_and_runtime_never_meet(self):
        self.bad(rules.floors, "actors/pod.cpp", '#include "runtime/sim/world.hpp"\n')
        self.bad(rules.floors, "runtime/sim/world.cpp", '  #  include <actors/pod.hpp>\n')

    def test_the_line_is_named(self):
        self.assertEqual(3, self.bad(rules.floors, "core/a.hpp", '// a\n\n#include "api/b.hpp"\n').line)

    def test_down_and_sideways_is_fine(self):
        self.good(rules.floors, "actors/pod.cpp", '#include "messages/pod.hpp"\n#include "actors/x.hpp"\n#include <map>\n')
        self.good(rules.floors, "tests/actors/pod_test.cpp", '#include "runtime/sim/world.hpp"\n')


class ActorsAreClosed(RuleCase):
    def test_clocks(self):
        for text in ["auto t = std::chrono::steady_clock::now();", "system_clock::now()", "std::this_thread::sleep_for(1s);",
                     "::usleep(5);", "time(nullptr)", "clock_gettime(CLOCK_MONOTONIC, &ts);", "#include <thread>"]:
            self.bad(rules.clocks, "actors/pod.cpp", text)
        self.good(rules.clocks, "actors/pod.cpp", "auto t = self->clock().now(); // not steady_clock::now()\n")
        self.good(rules.clocks, "actors/pod.cpp", 'auto text = "sleep(1)"; auto s = state.sleep_count;')
        self.good(rules.clocks, "runtime/loop/a.cpp", "steady_clock::now()")

    def test_randomness(self):
        for text in ["std::random_device rd;", "std::mt19937 gen;", "rand()", "std::uniform_int_distribution<int> d;",
                     "std::shuffle(a, b, c);"]:
            self.bad(rules.randomness, "actors/scheduler.cpp", text)
        self.good(rules.randomness, "actors/scheduler.cpp", "auto n = env.random.below(3); operand(2);")

    def test_outside_world(self):
        for header in ["unistd.h", "sys/socket.h", "uv.h", "fstream"]:
            self.bad(rules.outside_world, "actors/node.cpp", f"#include <{header}>")
        self.good(rules.outside_world, "actors/node.cpp", "#include <map>\n// #include <uv.h>")

    def test_unordered_iteration(self):
        declared = "std::unordered_map<std::string, std::vector<int>> pods_;\n"
        self.bad(rules.unordered, "actors/node.cpp", declared + "for (auto& [k, v] : pods_) use(k);")
        self.bad(rules.unordered, "actors/node.cpp", declared + "auto it = pods_.begin();")
        self.bad(rules.unordered, "actors/node.cpp", declared + "for (auto& x : state->pods_) use(x);")
        self.bad(rules.unordered, "actors/node.cpp", "std::map<pod*, int> by_pod;")
        self.good(rules.unordered, "actors/node.cpp", declared + "if (pods_.find(k) != pods_.end()) pods_.erase(k);")
        self.good(rules.unordered, "actors/node.cpp", "std::map<std::string, int> m; for (auto& x : m) use(x);")

    def test_a_member_of_the_header_is_known_in_the_source(self):
        found = list(rules.unordered("actors/node.cpp", "for (auto& x : pods_) use(x);", {"pods_"}))
        self.assertEqual(1, len(found))


class Text(RuleCase):
    def test_using_namespace_in_a_header(self):
        self.bad(rules.using_namespace, "core/a.hpp", "using namespace std;")
        self.bad(rules.using_namespace, "core/a.hpp", "using namespace std::chrono_literals;")
        self.good(rules.using_namespace, "tests/core/world.hpp", "using namespace std::chrono_literals;")
        self.good(rules.using_namespace, "core/a.cpp", "using namespace std::literals;")
        self.good(rules.using_namespace, "core/a.hpp", "// using namespace std\nnamespace fs = std::filesystem;")

    def test_pragma_once(self):
        self.bad(rules.pragma_once, "core/a.hpp", "// nothing\n")

    def test_machine_paths(self):
        for path in ["/wo" + "rk/main/x", "'/ro" + "ot/.cache'", "/ho" + "me/me/src", "/tmp" + "/b-x/podium"]:
            self.bad(rules.machine_paths, "docs/a.md", f"see {path}")
        self.good(rules.machine_paths, "docs/a.md", "/var/lib/podium /root: overlay/work/dir https://example.org/home/x")

    def test_unfinished(self):
        for word in ["TO" + "DO", "FIX" + "ME", "good enough for n" + "ow"]:
            self.bad(rules.unfinished, "core/a.cpp", f"// {word}: more\n")

    def test_long_files_warn(self):
        found = list(rules.length("core/a.cpp", "x\n" * (rules.MAX_LINES + 1)))
        self.assertTrue(found and found[0].warning)
        self.assertEqual([], list(rules.length("core/a.cpp", "x\n" * rules.MAX_LINES)))


if __name__ == "__main__":
    unittest.main()
