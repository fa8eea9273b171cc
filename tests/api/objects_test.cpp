// ConfigMaps, Secrets, service accounts and their tokens, volumes, claims and classes over HTTP.
#include "api/base64.hpp"
#include "api/service_accounts.hpp"
#include "runtime/http/token_keys.hpp"
#include "tests/api/api_world.hpp"

using namespace podium;
using namespace podium::test;

namespace {

const std::string base = "/api/v1/namespaces/default";

struct key_file {
  std::filesystem::path where;
  std::shared_ptr<const token_keys> keys;
  key_file() {
    char name[] = "/tmp/podium-keys-XXXXXX";
    BOOST_REQUIRE(::mkdtemp(name) != nullptr);
    where = std::filesystem::path{name} / "sa.key";
    auto made = token_keys::open(where);
    BOOST_REQUIRE(made);
    keys = *made;
  }
  ~key_file() { std::filesystem::remove_all(where.parent_path()); }
};

api::server_settings with_accounts(const key_file& file) {
  api::server_settings s;
  s.tokens = file.keys;
  s.service_accounts = s.mount_tokens = true;
  return s;
}

struct world : key_file, api_world {
  world() : api_world(nullptr, with_accounts(*this)) {}

  void make(const std::string& path, const std::string& text) {
    auto made = post(path, text);
    BOOST_REQUIRE_MESSAGE(made.status == 201, made.body);
  }
  void make_account(const std::string& name, const std::string& more = "") {
    make(base + "/serviceaccounts",
         R"({"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":")" + name + "\"}" + more + "}");
  }
  static wall_time now() { return wall_time{std::chrono::system_clock::now().time_since_epoch()}; }
  std::string request(const std::string& spec) {
    return R"({"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":)" + spec + "}";
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(objects_suite, world)

BOOST_AUTO_TEST_CASE(texts_of_a_secret_become_its_data) {
  make(base + "/secrets", R"({"kind":"Secret","apiVersion":"v1","metadata":{"name":"s"},
      "data":{"a":"eA==","b":"eQ=="},"stringData":{"b":"z"}})");
  auto secret = get(base + "/secrets/s");
  BOOST_TEST(secret.at("/data") == R"({"a":"eA==","b":"eg=="})");
  BOOST_TEST(secret.at("/type") == "Opaque");
  BOOST_TEST(secret.at("/stringData") == "");
  BOOST_TEST(get(base + "/secrets?fieldSelector=type%3DOpaque").json().at("items").as_array().size() == 1U);
  BOOST_TEST(get(base + "/secrets?fieldSelector=type%3Dx").json().at("items").as_array().empty());
}

BOOST_AUTO_TEST_CASE(storage_is_protected_and_has_its_first_status) {
  make("/api/v1/persistentvolumes", R"({"kind":"PersistentVolume","apiVersion":"v1","metadata":{"name":"v"},
      "spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/x"}},
      "status":{"phase":"Bound"}})");
  auto volume = get("/api/v1/persistentvolumes/v");
  BOOST_TEST(volume.at("/metadata/finalizers") == R"(["kubernetes.io/pv-protection"])");
  BOOST_TEST(volume.at("/status/phase") == "Pending");
  BOOST_TEST(volume.at("/spec/persistentVolumeReclaimPolicy") == "Retain");
  BOOST_TEST(volume.body.find("f:finalizers") == std::string::npos); // nobody's
}

BOOST_AUTO_TEST_CASE(claims_are_given_the_default_class) {
  auto claim = [](const std::string& name, const std::string& more = "") {
    return R"({"kind":"PersistentVolumeClaim","apiVersion":"v1","metadata":{"name":")" + name
           + R"("},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}})" + more
           + "}}";
  };
  make(base + "/persistentvolumeclaims", claim("early"));
  BOOST_TEST(get(base + "/persistentvolumeclaims/early").at("/spec/storageClassName") == "");
  make("/apis/storage.k8s.io/v1/storageclasses",
       R"({"kind":"StorageClass","apiVersion":"storage.k8s.io/v1","metadata":{"name":"usual","annotations":
          {"storageclass.kubernetes.io/is-default-class":"true"}},"provisioner":"a.example.com/b"})");
  make(base + "/persistentvolumeclaims", claim("late"));
  BOOST_TEST(get(base + "/persistentvolumeclaims/late").at("/spec/storageClassName") == "usual");
  make(base + "/persistentvolumeclaims", claim("none", R"(,"storageClassName":"")"));
  BOOST_TEST(get(base + "/persistentvolumeclaims/none").at("/spec/storageClassName") == "");
}

BOOST_AUTO_TEST_CASE(claims_grow_where_their_class_lets_them) {
  auto make_class = [&](const std::string& name, const char* more) {
    make("/apis/storage.k8s.io/v1/storageclasses",
         R"({"kind":"StorageClass","apiVersion":"storage.k8s.io/v1","metadata":{"name":")" + name
             + R"("},"provisioner":"a.example.com/b")" + more + "}");
  };
  make_class("fixed", "");
  make_class("elastic", R"(,"allowVolumeExpansion":true)");
  auto claims = base + "/persistentvolumeclaims";
  auto grow = [&](const std::string& name, const char* size) {
    return patch(claims + "/" + name, "merge-patch",
                 std::string{R"({"spec":{"resources":{"requests":{"storage":")"} + size + R"("}}}})");
  };
  for (std::string name : {"fixed", "elastic", "none"}) {
    make(claims, R"({"kind":"PersistentVolumeClaim","apiVersion":"v1","metadata":{"name":")" + name
                     + R"("},"spec":{"accessModes":["ReadWriteOnce"],"storageClassName":")"
                     + (name == "none" ? "" : name) + R"(","resources":{"requests":{"storage":"1Gi"}}}})");
    auto set = patch(claims + "/" + name + "/status", "merge-patch",
                     R"({"status":{"phase":"Bound","capacity":{"storage":"1Gi"}}})");
    BOOST_REQUIRE_MESSAGE(set.status == 200, set.body);
  }
  for (std::string name : {"fixed", "none"}) {
    auto refused = grow(name, "2Gi");
    BOOST_TEST(refused.status == 403);
    BOOST_TEST(
        refused.at("/message")
        == "persistentvolumeclaims \"" + name
               + "\" is forbidden: only dynamically provisioned pvc can be resized and the storageclass "
                 "that provisions the pvc must support resize");
    BOOST_TEST(grow(name, "1024Mi").status == 200); // the same
  }
  BOOST_TEST(grow("elastic", "2Gi").status == 200);
}

BOOST_AUTO_TEST_CASE(a_pod_needs_its_account) {
  auto refused = post(pods, R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},
      "spec":{"serviceAccountName":"foo","containers":[{"name":"c","image":"i"}]}})");
  BOOST_TEST(refused.status == 403);
  BOOST_TEST(refused.at("/message")
             == "pods \"p\" is forbidden: error looking up service account default/foo: serviceaccount "
                "\"foo\" not found");
  BOOST_TEST(post("/api/v1/namespaces/nope/pods", pod_text("p")).status == 404);
}

BOOST_AUTO_TEST_CASE(a_pod_takes_over_from_its_account) {
  make_account("default", R"(,"imagePullSecrets":[{"name":"registry"}])");
  make(pods, pod_text("p"));
  auto pod = get(pods + "/p");
  BOOST_TEST(pod.at("/spec/imagePullSecrets") == R"([{"name":"registry"}])");
  auto name = pod.at("/spec/volumes/0/name");
  BOOST_TEST(name.starts_with("kube-api-access-"));
  BOOST_TEST(pod.at("/spec/containers/0/volumeMounts/0/name") == name);
  BOOST_TEST(pod.at("/spec/containers/0/volumeMounts/0/mountPath")
             == "/var/run/secrets/kubernetes.io/serviceaccount");
  BOOST_TEST(pod.at("/spec/volumes/0/projected/sources/0/serviceAccountToken/expirationSeconds") == "3607");
  BOOST_TEST(pod.body.find("f:volumes") == std::string::npos); // nobody's
  auto applied = send("PATCH", pods + "/q?fieldManager=m", pod_text("q"),
                      {{"Content-Type", "application/apply-patch+yaml"}});
  BOOST_TEST(applied.status == 201);
  BOOST_TEST(applied.at("/spec/volumes/0/name") != "");
  auto again = send("PATCH", pods + "/q?fieldManager=m", pod_text("q"),
                    {{"Content-Type", "application/apply-patch+yaml"}});
  BOOST_TEST(again.status == 200);
}

BOOST_AUTO_TEST_CASE(who_wants_no_token_gets_none) {
  make_account("default");
  make_account("quiet", R"(,"automountServiceAccountToken":false)");
  auto made = [&](const std::string& name, const std::string& spec) {
    return post(pods, R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":")" + name + R"("},"spec":{)"
                          + spec + R"("containers":[{"name":"c","image":"i"}]}})")
        .at("/spec/volumes");
  };
  BOOST_TEST(made("a", R"("automountServiceAccountToken":false,)") == "");
  BOOST_TEST(made("b", R"("serviceAccountName":"quiet",)") == "");
  BOOST_TEST(made("c", R"("serviceAccountName":"quiet","automountServiceAccountToken":true,)") != "");
}

BOOST_AUTO_TEST_CASE(tokens_say_who_and_for_whom) {
  make_account("robot");
  auto path = base + "/serviceaccounts/robot/token";
  auto made = post(path, request(R"({"audiences":["vault"],"expirationSeconds":700})"));
  BOOST_REQUIRE_MESSAGE(made.status == 201, made.body);
  BOOST_TEST(made.at("/kind") == "TokenRequest");
  BOOST_TEST(made.at("/metadata/name") == "robot");
  auto token = made.at("/status/token");
  BOOST_TEST(!api::user_of_token(*keys, *view, token, now()));
  auto user = api::user_of_token(*keys, *view, token, now(), {"x", "vault"});
  BOOST_REQUIRE(user);
  BOOST_TEST(user->name == "system:serviceaccount:default:robot");
  BOOST_TEST(!api::user_of_token(*keys, *view, token, now() + 701s, {"vault"}));
  auto plain = post(path, request("{}")).at("/status/token");
  BOOST_TEST(api::user_of_token(*keys, *view, plain, now()).has_value());
  send("DELETE", base + "/serviceaccounts/robot");
  BOOST_TEST(!api::user_of_token(*keys, *view, plain, now()));
  make_account("robot"); // another one of that name
  BOOST_TEST(!api::user_of_token(*keys, *view, plain, now()));
}

BOOST_AUTO_TEST_CASE(tokens_are_bound_to_what_is_there) {
  make_account("default");
  make_account("other");
  make(pods, pod_text("p"));
  auto bound = [&](const std::string& account, const std::string& ref) {
    return post(base + "/serviceaccounts/" + account + "/token",
                request(R"({"boundObjectRef":)" + ref + "}"));
  };
  BOOST_TEST(bound("default", R"({"kind":"Pod","apiVersion":"v1","name":"nope"})").at("/message")
             == "pods \"nope\" not found");
  BOOST_TEST(bound("default", R"({"kind":"Pod","apiVersion":"v1","name":"p","uid":"x"})").status == 409);
  BOOST_TEST(bound("other", R"({"kind":"Pod","apiVersion":"v1","name":"p"})").at("/message")
             == "cannot bind token for serviceaccount \"other\" to pod running with different serviceaccount "
                "name.");
  BOOST_TEST(bound("default", R"({"kind":"Lease","apiVersion":"v1","name":"p"})").status == 400);
  auto token = bound("default", R"({"kind":"Pod","apiVersion":"v1","name":"p"})").at("/status/token");
  BOOST_TEST(api::user_of_token(*keys, *view, token, now()).has_value());
  send("DELETE", pods + "/p?gracePeriodSeconds=0");
  BOOST_TEST(!api::user_of_token(*keys, *view, token, now()));
}

BOOST_AUTO_TEST_CASE(a_pods_token_names_its_node) {
  make_account("default");
  make("/api/v1/nodes", R"({"kind":"Node","apiVersion":"v1","metadata":{"name":"n1"}})");
  make_running_pod("p");
  auto token = post(base + "/serviceaccounts/default/token",
                    request(R"({"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"p"}})"))
                   .at("/status/token");
  auto claims = keys->verify(token, now());
  BOOST_REQUIRE(claims);
  BOOST_TEST(claims->bound_to.kind == "Pod");
  auto user = api::user_of_token(*keys, *view, token, now());
  BOOST_REQUIRE(user);
  auto extra = [&](const std::string& key) {
    auto& values = user->extra["authentication.kubernetes.io/" + key];
    return values.empty() ? "" : values.front();
  };
  BOOST_TEST(extra("node-name") == "n1");
  BOOST_TEST(extra("node-uid") == get("/api/v1/nodes/n1").at("/metadata/uid"));
  BOOST_TEST(extra("pod-name") == "p");
  BOOST_TEST(extra("pod-uid") == get(pods + "/p").at("/metadata/uid"));
}

BOOST_AUTO_TEST_CASE(who_verifies_tokens_finds_the_key) {
  make_account("robot");
  auto about = get("/.well-known/openid-configuration");
  BOOST_TEST(about.status == 200, about.body);
  BOOST_TEST(about.at("/issuer") == "https://kubernetes.default.svc.cluster.local");
  BOOST_TEST(about.at("/jwks_uri").ends_with("/openid/v1/jwks"));
  BOOST_TEST(about.at("/id_token_signing_alg_values_supported/0") == "ES256");
  auto set = get("/openid/v1/jwks");
  BOOST_TEST(set.headers.get("Content-Type") == "application/jwk-set+json");
  BOOST_TEST(set.at("/keys/0/crv") == "P-256");
  BOOST_TEST(set.at("/keys/0/x").size() == 43u); // 32 bytes
  BOOST_TEST(set.at("/keys/0/y").size() == 43u);
  // The key is named as tokens name it.
  auto token = post(base + "/serviceaccounts/robot/token", request("{}")).at("/status/token");
  auto header = api::from_base64(token.substr(0, token.find('.')), api::base64_form::url);
  BOOST_REQUIRE(header);
  BOOST_TEST(reply::text_at(json::parse(*header), "/kid") == set.at("/keys/0/kid"));
}

BOOST_AUTO_TEST_CASE(bad_requests_for_tokens) {
  make_account("default");
  auto path = base + "/serviceaccounts/default/token";
  BOOST_TEST(post(base + "/serviceaccounts/nope/token", request("{}")).at("/message")
             == "serviceaccounts \"nope\" not found");
  BOOST_TEST(
      post(path, request(R"({"expirationSeconds":60})")).at("/message")
      == "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 60: "
         "may not specify a duration less than 10 minutes");
  BOOST_TEST(get(path).status == 405);
}

BOOST_AUTO_TEST_CASE(tokens_that_are_none) {
  make_account("default");
  auto token = post(base + "/serviceaccounts/default/token", request("{}")).at("/status/token");
  auto first = token.find('.'), last = token.rfind('.');
  const std::string bad[] = {"",
                             ".",
                             "..",
                             "a.b.c",
                             token + "A",
                             token.substr(0, last),
                             token.substr(0, last + 1),
                             "eyJhbGciOiJub25lIn0" + token.substr(first, last - first + 1),
                             token.substr(0, first) + ".e30" + token.substr(last),
                             std::string(100'000, 'A')};
  for (auto& text : bad)
    BOOST_TEST(!keys->verify(text, now()), text.substr(0, 40));
  BOOST_TEST(bool(keys->verify(token, now())));
  // A key that is read again signs and knows the same tokens; another one does not.
  BOOST_TEST(bool((*token_keys::open(where))->verify(token, now())));
  BOOST_TEST(!key_file{}.keys->verify(token, now()));
}

BOOST_AUTO_TEST_SUITE_END()
