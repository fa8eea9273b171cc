#include "http_fixture.hpp"
#include "runtime/http/pki.hpp"

using namespace podium;

namespace {

struct authority {
  pem_identity ca = *make_ca("test-ca");
  pem_identity serving = *make_server_certificate(ca, "podium", {{"localhost"}, {"127.0.0.1"}});
  std::shared_ptr<tls_context> context() const {
    return *tls_context::make({serving.certificate, serving.key, ca.certificate});
  }
};

struct tls_fixture : authority, http_fixture {
  explicit tls_fixture(http_limits limits = {}) : http_fixture(limits, context()) {
    client_fetch_base = "https://127.0.0.1:" + std::to_string(port);
  }
  caf::expected<http_reply> who(const pem_identity& user) {
    return fetch({.url = "/who",
                  .ca_pem = ca.certificate,
                  .client_certificate_pem = user.certificate,
                  .client_key_pem = user.key});
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(http_tls)

BOOST_FIXTURE_TEST_CASE(without_a_client_certificate, tls_fixture) {
  auto r = who({});
  BOOST_TEST_REQUIRE(static_cast<bool>(r));
  BOOST_TEST(r->body == "tls [] []");
}

BOOST_FIXTURE_TEST_CASE(with_a_client_certificate, tls_fixture) {
  auto r = who(*make_client_certificate(ca, "jane", {"devs", "system:masters"}));
  BOOST_TEST_REQUIRE(static_cast<bool>(r));
  BOOST_TEST(r->body == "tls presented verified [jane] [devs,system:masters,]");
}

BOOST_FIXTURE_TEST_CASE(a_bad_client_certificate_connects_but_is_not_verified, tls_fixture) {
  auto stranger = *make_ca("test-ca"); // the same name, another key
  auto untrusted = who(*make_client_certificate(stranger, "mallory", {"system:masters"}));
  BOOST_TEST_REQUIRE(static_cast<bool>(untrusted));
  BOOST_TEST(untrusted->body == "tls presented [mallory] [system:masters,]");
  auto expired = who(*make_client_certificate(ca, "old", {}, -1h));
  BOOST_TEST_REQUIRE(static_cast<bool>(expired));
  BOOST_TEST(expired->body == "tls presented [old] []");
  auto wrong_purpose = who(serving);
  BOOST_TEST_REQUIRE(static_cast<bool>(wrong_purpose));
  BOOST_TEST(wrong_purpose->body == "tls presented [podium] []");
}

BOOST_FIXTURE_TEST_CASE(resumed_sessions_keep_the_identity, tls_fixture) {
  custom = [](auto x) {
    x->respond(200, "text/plain", describe(x->request().peer), {{"Connection", "close"}});
  };
  auto user = *make_client_certificate(ca, "jane", {"devs"});
  auto stranger = *make_client_certificate(*make_ca("test-ca"), "mallory", {});
  for (int i = 0; i < 3; ++i)
    for (auto& [identity, expected] : {std::pair{user, "tls presented verified [jane] [devs,]"},
                                       std::pair{stranger, "tls presented [mallory] []"}}) {
      auto r = fetch({.url = "/x",
                      .ca_pem = ca.certificate,
                      .client_certificate_pem = identity.certificate,
                      .client_key_pem = identity.key});
      BOOST_TEST_REQUIRE(static_cast<bool>(r));
      BOOST_TEST(r->body == expected);
    }
}

BOOST_FIXTURE_TEST_CASE(the_client_checks_the_server, tls_fixture) {
  auto other = *make_ca("other");
  auto wrong_ca = fetch({.url = "/hello", .ca_pem = other.certificate, .fresh = true});
  BOOST_TEST(!wrong_ca);
  BOOST_TEST(static_cast<int>(code_of(wrong_ca.error())) == static_cast<int>(errc::io));
  auto wrong_name = fetch({.url = "https://wrong.example:" + std::to_string(port) + "/hello",
                           .ca_pem = ca.certificate,
                           .resolve_to = "127.0.0.1"});
  BOOST_TEST(!wrong_name);
  auto right_name = fetch({.url = "https://localhost:" + std::to_string(port) + "/hello",
                           .ca_pem = ca.certificate,
                           .resolve_to = "127.0.0.1"});
  BOOST_TEST(static_cast<bool>(right_name));
  auto unchecked = fetch({.url = "/hello", .verify = false, .fresh = true});
  BOOST_TEST_REQUIRE(static_cast<bool>(unchecked));
  BOOST_TEST(unchecked->body == "hello\n");
}

BOOST_FIXTURE_TEST_CASE(bodies_and_streams, tls_fixture) {
  http_fetch f{
      .method = "POST", .url = "/echo", .body = std::string(2'500'000, 'z'), .ca_pem = ca.certificate};
  auto r = fetch(f);
  BOOST_TEST_REQUIRE(static_cast<bool>(r));
  BOOST_TEST((r->body == f.body));
  r = fetch({.url = "/big", .ca_pem = ca.certificate});
  BOOST_TEST_REQUIRE(static_cast<bool>(r));
  BOOST_TEST((r->body == *big));
  // An endless stream is read a while, then left.
  size_t got = 0;
  uint64_t id = 0;
  std::promise<void> ended;
  loop.run([&] {
    id = client->send({.url = client_fetch_base + "/flood",
                       .timeout = 0ms,
                       .ca_pem = ca.certificate,
                       .on_data =
                           [&](std::string_view data) {
                             if ((got += data.size()) > 5'000'000) client->cancel(id);
                           }},
                      [&](auto) { ended.set_value(); });
  });
  ended.get_future().wait();
  BOOST_TEST(got > 5'000'000u);
  BOOST_TEST(seen.wait("flood closed"));
}

BOOST_AUTO_TEST_CASE(handshakes_are_timed_and_rubbish_is_dropped) {
  http_limits limits;
  limits.tls_handshake = 100ms;
  tls_fixture f{limits};
  raw_client silent{f.port}, rubbish{f.port}, plain{f.port};
  rubbish.send(std::string(300, '\x7f'));
  plain.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  BOOST_TEST(silent.rest() == "");
  rubbish.rest();
  auto told = plain.rest();
  BOOST_TEST(told.starts_with("HTTP/1.0 400 Bad Request\r\n"), told);
  BOOST_TEST(told.ends_with("Client sent an HTTP request to an HTTPS server.\n"), told);
  auto r = f.who({});
  BOOST_TEST(static_cast<bool>(r));
}

BOOST_AUTO_TEST_CASE(bad_settings_are_errors) {
  authority a;
  BOOST_TEST(!tls_context::make({"junk", a.serving.key, ""}));
  BOOST_TEST(!tls_context::make({a.serving.certificate, a.ca.key, ""}));
  BOOST_TEST(!tls_context::make({a.serving.certificate, a.serving.key, "junk"}));
}

BOOST_FIXTURE_TEST_CASE(openssl_and_curl_agree, tls_fixture) {
  // The command line tools as independent peers: ALPN picks http/1.1 even when h2 is offered, and the oldest
  // version is 1.2.
  auto run = [](const std::string& command) {
    std::string out;
    auto* pipe = ::popen((command + " 2>&1").c_str(), "r");
    char buffer[4096];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;)
      out.append(buffer, n);
    ::pclose(pipe);
    return out;
  };
  auto where = "127.0.0.1:" + std::to_string(port);
  BOOST_TEST(run("openssl s_client -alpn h2,http/1.1 -connect " + where + " </dev/null")
                 .find("ALPN protocol: http/1.1")
             != std::string::npos);
  BOOST_TEST(run("openssl s_client -tls1_1 -cipher ALL:@SECLEVEL=0 -connect " + where + " </dev/null")
                 .find("Cipher is (NONE)")
             != std::string::npos);
  BOOST_TEST(run("curl -sk --http2 https://" + where + "/hello") == "hello\n");
}

BOOST_FIXTURE_TEST_CASE(stop_with_tls_streams, tls_fixture) {
  std::promise<caf::expected<http_reply>> ended;
  loop.run([&] {
    client->send({.url = client_fetch_base + "/stream", .timeout = 0ms, .ca_pem = ca.certificate},
                 [&](auto r) { ended.set_value(std::move(r)); });
  });
  BOOST_TEST(seen.wait("stream open"));
  server->stop();
  auto r = ended.get_future().get();
  BOOST_TEST(static_cast<bool>(r)); // ended properly, not broken off
  BOOST_TEST(seen.wait("stream closed"));
}

BOOST_AUTO_TEST_SUITE_END()
