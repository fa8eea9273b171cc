#include "runtime/http/token_keys.hpp"

#include "core/base64.hpp"
#include "core/error.hpp"
#include "messages/pod.hpp"
#include "runtime/http/pki.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

namespace podium {
namespace {

namespace json = boost::json;

constexpr size_t max_token_bytes = 16 * 1024;
constexpr size_t number_bytes = 32; ///< of each of a signature's two
constexpr int64_t leeway_seconds = 60;

template <auto F>
struct deleter {
  template <class T>
  void operator()(T* p) const {
    F(p);
  }
};
using key_ptr = std::unique_ptr<EVP_PKEY, deleter<EVP_PKEY_free>>;
using context_ptr = std::unique_ptr<EVP_MD_CTX, deleter<EVP_MD_CTX_free>>;
using signature_ptr = std::unique_ptr<ECDSA_SIG, deleter<ECDSA_SIG_free>>;
using bio_ptr = std::unique_ptr<BIO, deleter<BIO_free>>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string to_url_base64(std::string_view bytes) {
  auto out = to_base64(bytes);
  std::replace(out.begin(), out.end(), '+', '-');
  std::replace(out.begin(), out.end(), '/', '_');
  out.erase(std::find(out.begin(), out.end(), '='), out.end());
  return out;
}

std::optional<std::string> from_url_base64(std::string_view text) {
  if (text.find_first_of("+/=\r\n") != std::string_view::npos) return std::nullopt;
  std::string standard{text};
  std::replace(standard.begin(), standard.end(), '-', '+');
  std::replace(standard.begin(), standard.end(), '_', '/');
  return from_base64(standard);
}

std::string random_id() {
  unsigned char bytes[16] = {};
  RAND_bytes(bytes, sizeof bytes);
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  std::string out;
  for (size_t i = 0; i < sizeof bytes; ++i) {
    constexpr char digits[] = "0123456789abcdef";
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += digits[bytes[i] >> 4];
    out += digits[bytes[i] & 15];
  }
  return out;
}

int64_t seconds_of(wall_time t) {
  return std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count();
}

json::object payload_of(const token_claims& claims) {
  json::array audiences;
  for (auto& audience : claims.audiences)
    audiences.emplace_back(audience);
  json::object about{{"namespace", claims.ns}};
  about["serviceaccount"] = {{"name", claims.service_account}, {"uid", claims.service_account_uid}};
  if (auto& bound = claims.bound_to; !bound.kind.empty()) {
    auto key = bound.kind == "Pod" ? "pod" : bound.kind == "Secret" ? "secret" : "node";
    about[key] = {{"name", bound.name}, {"uid", bound.uid}};
  }
  if (!claims.node.empty()) {
    json::object node{{"name", claims.node}};
    if (!claims.node_uid.empty()) node["uid"] = claims.node_uid;
    about["node"] = std::move(node);
  }
  json::object out;
  out["aud"] = std::move(audiences);
  out["exp"] = seconds_of(claims.expires_at);
  out["iat"] = seconds_of(claims.issued_at);
  out["iss"] = token_issuer_name;
  out["jti"] = claims.id;
  out["kubernetes.io"] = std::move(about);
  out["nbf"] = seconds_of(claims.issued_at);
  out["sub"] = "system:serviceaccount:" + claims.ns + ":" + claims.service_account;
  return out;
}

std::string text_at(const json::object& object, std::string_view key) {
  auto* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : std::string{};
}

int64_t number_at(const json::object& object, std::string_view key) {
  auto* value = object.if_contains(key);
  return value && value->is_int64() ? value->get_int64() : 0;
}

const json::object& part_of(const json::object& object, std::string_view key) {
  static const json::object none;
  auto* value = object.if_contains(key);
  return value && value->is_object() ? value->get_object() : none;
}

std::optional<json::object> read_part(std::string_view text) {
  auto bytes = from_url_base64(text);
  if (!bytes) return std::nullopt;
  boost::system::error_code ec;
  auto parsed = json::parse(*bytes, ec);
  if (ec || !parsed.is_object()) return std::nullopt;
  return std::move(parsed.get_object());
}

wall_time from_seconds(int64_t seconds) {
  // Beyond what a clock of nanoseconds can say there is no time to compare with.
  constexpr int64_t latest = 9'223'372'035;
  return wall_time{std::chrono::seconds{std::clamp<int64_t>(seconds, 0, latest)}};
}

token_claims claims_of(const json::object& payload) {
  token_claims out;
  auto& about = part_of(payload, "kubernetes.io");
  out.ns = text_at(about, "namespace");
  out.service_account = text_at(part_of(about, "serviceaccount"), "name");
  out.service_account_uid = text_at(part_of(about, "serviceaccount"), "uid");
  out.id = text_at(payload, "jti");
  if (auto* list = payload.if_contains("aud"); list && list->is_array())
    for (auto& audience : list->get_array())
      if (audience.is_string()) out.audiences.emplace_back(audience.get_string());
  out.issued_at = from_seconds(number_at(payload, "iat"));
  out.expires_at = from_seconds(number_at(payload, "exp"));
  for (auto [kind, key] : {std::pair{"Node", "node"}, {"Secret", "secret"}, {"Pod", "pod"}})
    if (auto& bound = part_of(about, key); !bound.empty())
      out.bound_to = {kind, text_at(bound, "name"), text_at(bound, "uid")};
  // A pod's token names its node, too, and is bound to the pod alone.
  if (out.bound_to.kind == "Pod") {
    out.node = text_at(part_of(about, "node"), "name");
    out.node_uid = text_at(part_of(about, "node"), "uid");
  }
  return out;
}

/// The two numbers of a signature as ES256 writes them, 32 bytes each.
std::string raw_signature(const std::string& der) {
  auto* at = bytes_of(der);
  signature_ptr pair{d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()))};
  std::string out(2 * number_bytes, '\0');
  auto* raw = reinterpret_cast<unsigned char*>(out.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), raw, number_bytes);
  BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), raw + number_bytes, number_bytes);
  return out;
}

std::string der_signature(const std::string& raw) {
  signature_ptr pair{ECDSA_SIG_new()};
  auto* bytes = bytes_of(raw);
  ECDSA_SIG_set0(pair.get(), BN_bin2bn(bytes, number_bytes, nullptr),
                 BN_bin2bn(bytes + number_bytes, number_bytes, nullptr));
  auto size = i2d_ECDSA_SIG(pair.get(), nullptr);
  std::string out(static_cast<size_t>(std::max(size, 0)), '\0');
  auto* at = reinterpret_cast<unsigned char*>(out.data());
  i2d_ECDSA_SIG(pair.get(), &at);
  return out;
}

caf::error refused(std::string why) {
  return make_error(errc::unauthorized, std::move(why));
}

/// One coordinate of a public key, as a JSON Web Key has it.
std::string coordinate(EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  std::string out(number_bytes, '\0');
  if (EVP_PKEY_get_bn_param(key, name, &number) == 1)
    BN_bn2binpad(number, reinterpret_cast<unsigned char*>(out.data()), number_bytes);
  BN_free(number);
  return to_url_base64(out);
}

std::string key_set_of(EVP_PKEY* key, std::string_view id) {
  json::object entry{{"use", "sig"}, {"kty", "EC"}, {"kid", id}, {"crv", "P-256"}, {"alg", "ES256"}};
  entry["x"] = coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X);
  entry["y"] = coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y);
  return json::serialize(json::object{{"keys", json::array{std::move(entry)}}});
}

std::string to_pem(EVP_PKEY* key) {
  bio_ptr bio{BIO_new(BIO_s_mem())};
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  auto size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

} // namespace

struct token_keys::impl {
  key_ptr key;
  std::string header;  ///< base64url, the same for all tokens
  std::string key_set; ///< JSON

  bool fits(std::string_view signed_text, const std::string& raw) const {
    if (raw.size() != 2 * number_bytes) return false;
    auto der = der_signature(raw);
    context_ptr context{EVP_MD_CTX_new()};
    return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1
           && EVP_DigestVerify(context.get(), bytes_of(der), der.size(), bytes_of(signed_text),
                               signed_text.size())
                  == 1;
  }
};

token_keys::token_keys(std::unique_ptr<impl> parts) : impl_(std::move(parts)) {}

token_keys::~token_keys() = default;

caf::expected<std::shared_ptr<const token_keys>> token_keys::open(const std::filesystem::path& file) {
  auto parts = std::make_unique<impl>();
  std::error_code ec;
  if (std::filesystem::exists(file, ec)) {
    std::ifstream in{file, std::ios::binary};
    std::string pem{std::istreambuf_iterator<char>{in}, {}};
    if (!in) return errno_error("read " + file.string(), errno);
    bio_ptr bio{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
    parts->key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
    if (!parts->key || !EVP_PKEY_is_a(parts->key.get(), "EC") || EVP_PKEY_get_bits(parts->key.get()) != 256)
      return make_error(errc::bad_request, file.string()
                                               + " holds no EC P-256 key in PEM; remove it to have a new one "
                                                 "made (tokens that are out become worthless)");
  } else {
    parts->key.reset(EVP_EC_gen("P-256"));
    if (!parts->key) return make_error(errc::internal, "no key for service account tokens could be made");
    if (auto err = write_private_file(file, to_pem(parts->key.get()))) return err;
  }
  unsigned char* der = nullptr;
  auto size = i2d_PUBKEY(parts->key.get(), &der);
  unsigned char digest[SHA256_DIGEST_LENGTH] = {};
  SHA256(der, static_cast<size_t>(std::max(size, 0)), digest);
  OPENSSL_free(der);
  auto id = to_url_base64({reinterpret_cast<const char*>(digest), sizeof digest});
  json::object header{{"alg", "ES256"}, {"kid", id}};
  parts->key_set = key_set_of(parts->key.get(), id);
  parts->header = to_url_base64(json::serialize(header));
  return std::shared_ptr<const token_keys>(new token_keys(std::move(parts)));
}

const std::string& token_keys::key_set() const {
  return impl_->key_set;
}

std::string token_keys::sign(token_claims claims) const {
  claims.id = random_id();
  if (claims.audiences.empty()) claims.audiences.emplace_back(token_issuer_name);
  auto text = impl_->header + "." + to_url_base64(json::serialize(payload_of(claims)));
  context_ptr context{EVP_MD_CTX_new()};
  size_t size = 0;
  EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, impl_->key.get());
  EVP_DigestSign(context.get(), nullptr, &size, bytes_of(text), text.size());
  std::string der(size, '\0');
  EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(der.data()), &size, bytes_of(text),
                 text.size());
  der.resize(size);
  return text + "." + to_url_base64(raw_signature(der));
}

caf::expected<token_claims> token_keys::verify(std::string_view token, wall_time now) const {
  auto first = token.find('.'), last = token.rfind('.');
  if (token.size() > max_token_bytes || first == last) return refused("the token is no JSON web token");
  // Ours all have the same header: an algorithm that is the client's choice is none.
  if (token.substr(0, first) != impl_->header)
    return refused("the token is not signed by this cluster's key");
  auto signature = from_url_base64(token.substr(last + 1));
  if (!signature || !impl_->fits(token.substr(0, last), *signature))
    return refused("the token's signature is wrong");
  auto payload = read_part(token.substr(first + 1, last - first - 1));
  if (!payload || text_at(*payload, "iss") != token_issuer_name) return refused("the token says nothing");
  auto at = seconds_of(now);
  if (number_at(*payload, "exp") <= at) return refused("service account token has expired");
  if (number_at(*payload, "nbf") > at + leeway_seconds)
    return refused("service account token is not valid yet");
  auto out = claims_of(*payload);
  if (text_at(*payload, "sub") != "system:serviceaccount:" + out.ns + ":" + out.service_account)
    return refused("the token's subject is not its service account");
  return out;
}

void name_node(token_claims& claims, const registry_view& view) {
  auto pod = claims.bound_to.kind == "Pod" ? view.snapshot("pods")->find(claims.ns, claims.bound_to.name)
                                           : object_ref{};
  if (!pod || pod->uid() != claims.bound_to.uid) return;
  claims.node = pod->as_pod().spec.node_name;
  if (auto node = view.snapshot("nodes")->find("", claims.node)) claims.node_uid = node->uid();
}

caf::error check_token_objects(const token_claims& claims, const registry_view& view, wall_time now) {
  auto account = view.snapshot("serviceaccounts")->find(claims.ns, claims.service_account);
  if (!account)
    return refused("service account " + claims.ns + "/" + claims.service_account + " has been deleted");
  if (account->uid() != claims.service_account_uid)
    return refused("service account UID (" + account->uid() + ") does not match claim ("
                   + claims.service_account_uid + ")");
  auto& bound = claims.bound_to;
  if (bound.kind.empty()) return {};
  auto resource = bound.kind == "Pod" ? "pods" : bound.kind == "Secret" ? "secrets" : "nodes";
  auto object = view.snapshot(resource)->find(bound.kind == "Node" ? "" : claims.ns, bound.name);
  if (!object || object->uid() != bound.uid)
    return refused("service account token has been invalidated: " + bound.kind + " " + bound.name
                   + " is not there any more");
  // deletionTimestamp is when the grace is over.
  if (auto& ends = object->meta().deletion_timestamp; ends && *ends + std::chrono::seconds{60} < now)
    return refused("service account token has been invalidated: " + bound.kind + " " + bound.name
                   + " has been deleted");
  return {};
}

} // namespace podium
