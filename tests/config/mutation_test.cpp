// Whatever bytes arrive: an object, or an error that says something. Seeded, so that a find can be had again.
#include "config/decode.hpp"
#include "config/defaults.hpp"
#include "config/json.hpp"
#include "config/manifest.hpp"
#include "config/selector.hpp"
#include "config/settings.hpp"
#include "config/status.hpp"
#include "config/yaml.hpp"
#include "manifests.hpp"
#include "why.hpp"

#include <boost/test/unit_test.hpp>
#include <random>

using namespace podium;
using namespace podium::config;

namespace {

constexpr std::string_view letters = "{}[]:,-\"'&*<>|#!?%@\n\t \\/.0123456789abcyn~=()";

std::string mutate(std::string text, std::mt19937_64& random) {
  for (auto n = random() % 6 + 1; n > 0 && !text.empty(); --n) {
    auto at = random() % text.size();
    switch (random() % 5) {
    case 0:
      text[at] = letters[random() % letters.size()];
      break;
    case 1:
      text.erase(at, random() % 8 + 1);
      break;
    case 2:
      text.insert(at, 1, letters[random() % letters.size()]);
      break;
    case 3:
      text.insert(at, text.substr(random() % text.size(), random() % 40));
      break;
    default:
      text[at] = static_cast<char>(random());
      break;
    }
  }
  return text;
}

/// Replaces one value somewhere in the tree by one of another kind.
void mutate(json::value& value, std::mt19937_64& random) {
  static const json::value others[] = {nullptr,
                                       true,
                                       -1,
                                       1e300,
                                       99999999999,
                                       json::string{"x"},
                                       json::array{nullptr, 1},
                                       json::object{{"a", nullptr}},
                                       json::string{""},
                                       json::array{},
                                       json::object{}};
  auto pick = [&] { return others[random() % std::size(others)]; };
  if (random() % 6 == 0) {
    value = pick();
  } else if (auto* object = value.if_object(); object != nullptr && !object->empty()) {
    mutate((object->begin() + static_cast<ptrdiff_t>(random() % object->size()))->value(), random);
  } else if (auto* list = value.if_array(); list != nullptr && !list->empty()) {
    mutate((*list)[random() % list->size()], random);
  } else {
    value = pick();
  }
}

void judge(const document& doc) {
  for (auto mode : {field_validation::strict, field_validation::ignore}) {
    auto out = decode(doc, {"", "v1", "Pod"}, mode);
    BOOST_REQUIRE(out.ok() == api_message(out).empty());
    file_error(doc, out);
    auto pod = out.object;
    default_pod(pod);
    init_pod_status(pod);
    auto causes = validate_pod(pod);
    describe(doc, causes);
    make_invalid_status({"p", "", "Pod", ""}, causes);
    validate_pod_update(pod, out.object);
    // What was decoded decodes to itself.
    document again;
    again.root = out.object;
    if (out.ok()) BOOST_REQUIRE(decode(again, {"", "v1", "Pod"}).object == out.object);
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(mutation_suite)

BOOST_AUTO_TEST_CASE(texts) {
  std::mt19937_64 random{7};
  for (auto seed : {test::frontend, test::liveness_exec, test::restart_policy_malformed}) {
    auto docs = parse_yaml(seed);
    auto as_json =
        docs && !docs->empty() ? json::serialize(docs->front().root) : std::string{"{\"a\":[1,2]}"};
    for (int i = 0; i < 1500; ++i) {
      auto yaml = parse_yaml(mutate(seed, random), "m");
      if (yaml)
        for (const auto& doc : *yaml)
          judge(doc);
      else
        BOOST_REQUIRE(!test::why(yaml).empty());
      auto text = parse_json(mutate(as_json, random), "m");
      if (text)
        judge(*text);
      else
        BOOST_REQUIRE(!test::why(text).empty());
    }
  }
}

BOOST_AUTO_TEST_CASE(trees) {
  std::mt19937_64 random{11};
  for (auto seed : {test::frontend, test::liveness_exec}) {
    auto docs = parse_yaml(seed);
    BOOST_REQUIRE(docs);
    for (int i = 0; i < 3000; ++i) {
      auto doc = docs->front();
      for (auto n = random() % 3 + 1; n > 0; --n)
        mutate(doc.root, random);
      judge(doc);
    }
  }
}

BOOST_AUTO_TEST_CASE(selectors) {
  std::mt19937_64 random{13};
  constexpr std::string_view alphabet = "abin notx=!(),<>\\/.-1 ";
  for (int i = 0; i < 20'000; ++i) {
    std::string text(random() % 20, ' ');
    for (auto& c : text)
      c = alphabet[random() % alphabet.size()];
    if (auto selector = parse_label_selector(text)) {
      auto again = parse_label_selector(selector->to_string());
      BOOST_REQUIRE_MESSAGE(again && again->to_string() == selector->to_string(), text);
      selector->matches(nullptr);
    }
    parse_field_selector("pods", text);
    parse_field_selector("pods", "metadata.name=" + text);
  }
}

BOOST_AUTO_TEST_CASE(setting_files) {
  std::mt19937_64 random{17};
  auto seed = settings_reference();
  for (int i = 0; i < 500; ++i) {
    auto result = parse_settings(mutate(seed, random), "s");
    if (!result) BOOST_REQUIRE(!test::why(result).empty());
  }
}

BOOST_AUTO_TEST_SUITE_END()
