#include "actors/account_token_controller.hpp"

#include "tests/actors/registry_world.hpp"

#include "core/base64.hpp"
#include "runtime/sim/sim_volumes.hpp"

using namespace podium;
using namespace podium::test;

namespace {

constexpr auto type = "kubernetes.io/service-account-token";

struct world : registry_world {
  std::shared_ptr<sim_volume_store> issued = std::make_shared<sim_volume_store>();
  token_issuer_actor issuer;
  account_token_controller_actor controller;
  object_key account{"serviceaccounts", "default", "builder"};
  object_key secret{"secrets", "default", "builder-token"};

  world() {
    issuer = sys->spawn<sim_tokens>(env, "tokens", issued);
    begin("pem");
    create(account, {{"metadata", {{"name", "builder"}, {"namespace", "default"}}}});
  }
  ~world() {
    end();
    caf::anon_send_exit(issuer, caf::exit_reason::kill);
    issuer = nullptr;
    run_for(0s);
  }
  void begin(const std::string& certificate) {
    controller = spawn_account_token_controller(*sys, env, registry, issuer, certificate);
    run_for(1ms);
  }
  void end() {
    caf::anon_send_exit(controller, caf::exit_reason::kill);
    controller = nullptr;
    run_for(0s);
  }
  void create_secret(json::object annotations = {{"kubernetes.io/service-account.name", "builder"}}) {
    json::object meta{{"name", secret.name}, {"namespace", "default"}};
    meta["annotations"] = std::move(annotations);
    BOOST_REQUIRE(bool(create(secret, {{"metadata", std::move(meta)}, {"type", type}}).value));
    run_for(1ms);
  }
  std::string value(std::string_view key) const {
    return from_base64(at(find(secret), "/data/" + std::string{key})).value_or("no base64");
  }
  std::string uid_noted() const {
    return at(find(secret), "/metadata/annotations/kubernetes.io~1service-account.uid");
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(account_token_controller_suite, world)

BOOST_AUTO_TEST_CASE(a_secret_is_filled) {
  create_secret();
  BOOST_TEST(value("token") == "token-1");
  BOOST_TEST(value("ca.crt") == "pem");
  BOOST_TEST(value("namespace") == "default");
  BOOST_TEST(uid_noted() == find(account)->uid());
  auto version = find(secret)->resource_version();
  run_for(70s);
  BOOST_TEST(find(secret)->resource_version() == version);
}

BOOST_AUTO_TEST_CASE(what_is_taken_out_comes_back_and_the_rest_stays) {
  create_secret();
  auto document = find(secret)->document();
  document.as_object()["data"] = {{"token", to_base64("token-1")}, {"more", to_base64("mine")}};
  update(secret, document);
  run_for(1ms);
  BOOST_TEST(value("token") == "token-1");
  BOOST_TEST(value("ca.crt") == "pem");
  BOOST_TEST(value("more") == "mine");
  document.as_object()["data"].as_object().erase("token");
  update(secret, document);
  run_for(1ms);
  BOOST_TEST(value("token") == "token-2");
}

BOOST_AUTO_TEST_CASE(another_certificate_is_written_and_the_token_stays) {
  create_secret();
  end();
  begin("another");
  BOOST_TEST(value("ca.crt") == "another");
  BOOST_TEST(value("token") == "token-1");
}

BOOST_AUTO_TEST_CASE(it_goes_with_its_account) {
  create_secret();
  remove(account);
  run_for(1ms);
  BOOST_TEST(!find(secret));
}

BOOST_AUTO_TEST_CASE(one_that_was_left_while_nobody_looked_goes_at_the_next_start) {
  create_secret();
  end();
  remove(account);
  create(account, {{"metadata", {{"name", "builder"}, {"namespace", "default"}}}});
  begin("pem");
  BOOST_TEST(!find(secret), "the account of that name is another one");
}

BOOST_AUTO_TEST_CASE(one_of_nobody_goes) {
  create_secret({{"kubernetes.io/service-account.name", "nobody"}});
  BOOST_TEST(!find(secret));
}

BOOST_AUTO_TEST_CASE(other_secrets_are_left_alone) {
  object_key other{"secrets", "default", "other"};
  create(other, {{"metadata",
                  {{"name", "other"}, {"annotations", {{"kubernetes.io/service-account.name", "nobody"}}}}},
                 {"type", "Opaque"}});
  run_for(2s);
  BOOST_TEST(bool(find(other)));
  BOOST_TEST(at(find(other), "/data") == "");
}

BOOST_AUTO_TEST_CASE(an_issuer_that_fails_is_asked_again) {
  issued->token_error = "not yet";
  create_secret();
  BOOST_TEST(at(find(secret), "/data") == "");
  issued->token_error.clear();
  run_for(1s);
  BOOST_TEST(value("token") == "token-1");
}

BOOST_AUTO_TEST_SUITE_END()
