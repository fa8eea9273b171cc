#include "runtime/http/pki.hpp"

#include "core/error.hpp"
#include "runtime/http/tls.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

namespace podium {
namespace {

template <auto Free>
struct deleter {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using bio_ptr = std::unique_ptr<BIO, deleter<BIO_free>>;
using x509_ptr = std::unique_ptr<X509, deleter<X509_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, deleter<EVP_PKEY_free>>;
using name_ptr = std::unique_ptr<X509_NAME, deleter<X509_NAME_free>>;
using names_ptr = std::unique_ptr<GENERAL_NAMES, deleter<GENERAL_NAMES_free>>;
using store_ptr = std::unique_ptr<X509_STORE, deleter<X509_STORE_free>>;
using store_context_ptr = std::unique_ptr<X509_STORE_CTX, deleter<X509_STORE_CTX_free>>;

constexpr long clock_skew_seconds = 300; ///< certificates begin a little in the past
constexpr size_t max_pem_bytes = 1 << 20;

caf::error crypto_error(std::string_view what) {
  return make_error(errc::internal, std::string{what} + ": " + openssl_error());
}

bio_ptr view_bio(std::string_view text) {
  return bio_ptr{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
}

x509_ptr parse_certificate(std::string_view pem) {
  return x509_ptr{PEM_read_bio_X509(view_bio(pem).get(), nullptr, nullptr, nullptr)};
}

key_ptr parse_key(std::string_view pem) {
  return key_ptr{PEM_read_bio_PrivateKey(view_bio(pem).get(), nullptr, nullptr, nullptr)};
}

template <class Write>
std::string to_pem(Write write) {
  bio_ptr bio{BIO_new(BIO_s_mem())};
  if (write(bio.get()) != 1) return {};
  char* data = nullptr;
  auto size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

bool add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  auto* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  if (!extension) return false;
  auto ok = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return ok;
}

bool add_name(X509_NAME* name, const char* field, std::string_view value) {
  return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(value.data()),
                                    static_cast<int>(value.size()), -1, 0)
         == 1;
}

/// The address's bytes in network order, or an empty string.
std::string ip_bytes(const std::string& ip) {
  unsigned char raw[16];
  if (inet_pton(AF_INET, ip.c_str(), raw) == 1) return {reinterpret_cast<char*>(raw), 4};
  if (inet_pton(AF_INET6, ip.c_str(), raw) == 1) return {reinterpret_cast<char*>(raw), 16};
  return {};
}

bool is_dns_name(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  for (auto c : name)
    if (!isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '.' && c != '*' && c != '_') return false;
  return true;
}

caf::error add_alternative_names(X509* certificate, const server_names& names) {
  names_ptr list{GENERAL_NAMES_new()};
  auto push = [&](int type, ASN1_STRING* value) {
    auto* name = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(name, type, value);
    sk_GENERAL_NAME_push(list.get(), name);
  };
  for (auto& dns : names.dns) {
    if (!is_dns_name(dns))
      return make_error(errc::invalid, "server certificate: \"" + dns + "\" is no DNS name");
    auto* value = ASN1_IA5STRING_new();
    ASN1_STRING_set(value, dns.data(), static_cast<int>(dns.size()));
    push(GEN_DNS, value);
  }
  for (auto& ip : names.ips) {
    auto bytes = ip_bytes(ip);
    if (bytes.empty())
      return make_error(errc::invalid, "server certificate: \"" + ip + "\" is no IP address");
    auto* value = ASN1_OCTET_STRING_new();
    ASN1_STRING_set(value, bytes.data(), static_cast<int>(bytes.size()));
    push(GEN_IPADD, value);
  }
  if (sk_GENERAL_NAME_num(list.get()) > 0
      && X509_add1_ext_i2d(certificate, NID_subject_alt_name, list.get(), 0, X509V3_ADD_DEFAULT) != 1)
    return crypto_error("server certificate");
  return {};
}

enum class role { ca, server, client };

struct request {
  role kind;
  std::string_view common_name;
  std::vector<std::string> organizations;
  server_names names;
  std::chrono::seconds validity;
};

bool set_random_serial(X509* certificate) {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return false;
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40); // positive, and never shorter
  std::unique_ptr<BIGNUM, deleter<BN_free>> number{BN_bin2bn(bytes, sizeof bytes, nullptr)};
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool add_usage(X509* certificate, X509* issuer, role kind) {
  auto add = [&](int nid, const char* value) { return add_extension(certificate, issuer, nid, value); };
  if (kind == role::ca)
    return add(NID_basic_constraints, "critical,CA:TRUE")
           && add(NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign")
           && add(NID_subject_key_identifier, "hash");
  return add(NID_basic_constraints, "critical,CA:FALSE") && add(NID_key_usage, "critical,digitalSignature")
         && add(NID_ext_key_usage, kind == role::server ? "serverAuth" : "clientAuth")
         && add(NID_authority_key_identifier, "keyid");
}

caf::expected<pem_identity> issue(const request& wanted, const pem_identity* ca) {
  std::string what =
      wanted.kind == role::ca ? "CA certificate" : "certificate of " + std::string{wanted.common_name};
  if (wanted.common_name.empty() || wanted.common_name.size() > 64)
    return make_error(errc::invalid, what + ": a common name has 1 to 64 characters");
  key_ptr key{EVP_EC_gen("P-256")};
  x509_ptr certificate{X509_new()};
  name_ptr subject{X509_NAME_new()};
  if (!key || !certificate || !subject) return crypto_error(what);
  auto issuer = ca ? parse_certificate(ca->certificate) : x509_ptr{};
  auto issuer_key = ca ? parse_key(ca->key) : key_ptr{};
  if (ca && (!issuer || !issuer_key))
    return make_error(errc::invalid, what + ": the CA is unusable: " + openssl_error());
  auto* signer = issuer ? issuer.get() : certificate.get();
  bool ok = X509_set_version(certificate.get(), X509_VERSION_3) == 1 && set_random_serial(certificate.get());
  for (auto& organization : wanted.organizations)
    ok = ok && add_name(subject.get(), "O", organization);
  ok = ok && add_name(subject.get(), "CN", wanted.common_name)
       && X509_set_subject_name(certificate.get(), subject.get()) == 1
       && X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer)) == 1
       && X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -clock_skew_seconds)
       && X509_gmtime_adj(X509_getm_notAfter(certificate.get()), wanted.validity.count())
       && X509_set_pubkey(certificate.get(), key.get()) == 1
       && add_usage(certificate.get(), signer, wanted.kind);
  if (!ok) return crypto_error(what);
  if (auto err = add_alternative_names(certificate.get(), wanted.names)) return err;
  if (X509_sign(certificate.get(), issuer_key ? issuer_key.get() : key.get(), EVP_sha256()) == 0)
    return crypto_error(what);
  pem_identity result;
  result.certificate = to_pem([&](BIO* b) { return PEM_write_bio_X509(b, certificate.get()); });
  result.key = to_pem([&](BIO* b) {
    return PEM_write_bio_PKCS8PrivateKey(b, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  if (result.certificate.empty() || result.key.empty()) return crypto_error(what);
  return result;
}

/// The alternative names of a certificate, each as type:bytes.
std::set<std::string> alternative_names(X509* certificate) {
  std::set<std::string> result;
  names_ptr list{
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr))};
  for (int i = 0; list && i < sk_GENERAL_NAME_num(list.get()); ++i) {
    int type = 0;
    auto* value =
        static_cast<ASN1_STRING*>(GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(list.get(), i), &type));
    if (type != GEN_DNS && type != GEN_IPADD) continue;
    result.insert((type == GEN_DNS ? "d:" : "i:")
                  + std::string{reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                                static_cast<size_t>(ASN1_STRING_length(value))});
  }
  return result;
}

bool carries(const pem_identity& leaf, const server_names& names) {
  std::set<std::string> wanted;
  for (auto& dns : names.dns)
    wanted.insert("d:" + dns);
  for (auto& ip : names.ips)
    wanted.insert("i:" + ip_bytes(ip));
  auto certificate = parse_certificate(leaf.certificate);
  return certificate && alternative_names(certificate.get()) == wanted;
}

bool is_subject(const pem_identity& leaf, std::string_view user, const std::vector<std::string>& groups) {
  auto certificate = parse_certificate(leaf.certificate);
  name_ptr wanted{X509_NAME_new()};
  if (!certificate || !wanted) return false;
  for (auto& group : groups)
    add_name(wanted.get(), "O", group);
  add_name(wanted.get(), "CN", user);
  return X509_NAME_cmp(X509_get_subject_name(certificate.get()), wanted.get()) == 0;
}

/// The file's text; empty when there is none.
caf::expected<std::string> read_file(const std::filesystem::path& path) {
  auto fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return std::string{};
    return errno_error("open " + path.string(), errno);
  }
  std::string text;
  char buffer[4096];
  ssize_t n = 0;
  while (text.size() <= max_pem_bytes && (n = ::read(fd, buffer, sizeof buffer)) > 0)
    text.append(buffer, static_cast<size_t>(n));
  auto err = errno;
  ::close(fd);
  if (n < 0) return errno_error("read " + path.string(), err);
  if (text.size() > max_pem_bytes)
    return make_error(errc::too_large, "read " + path.string() + ": larger than 1 MiB");
  return text;
}

caf::expected<pem_identity> load(const std::filesystem::path& directory, const std::string& name) {
  auto certificate = read_file(directory / (name + ".crt"));
  if (!certificate) return certificate.error();
  auto key = read_file(directory / (name + ".key"));
  if (!key) return key.error();
  return pem_identity{std::move(*certificate), std::move(*key)};
}

caf::error save(const std::filesystem::path& directory, const std::string& name,
                const pem_identity& identity) {
  if (auto err = write_private_file(directory / (name + ".key"), identity.key)) return err;
  return write_private_file(directory / (name + ".crt"), identity.certificate);
}

} // namespace

caf::expected<pem_identity> make_ca(std::string_view common_name, std::chrono::seconds validity) {
  return issue({role::ca, common_name, {}, {}, validity}, nullptr);
}

caf::expected<pem_identity> make_server_certificate(const pem_identity& ca, std::string_view common_name,
                                                    const server_names& names,
                                                    std::chrono::seconds validity) {
  return issue({role::server, common_name, {}, names, validity}, &ca);
}

caf::expected<pem_identity> make_client_certificate(const pem_identity& ca, std::string_view user,
                                                    const std::vector<std::string>& groups,
                                                    std::chrono::seconds validity) {
  return issue({role::client, user, groups, {}, validity}, &ca);
}

caf::error check_certificate(const pem_identity& leaf, std::string_view ca_pem, std::chrono::seconds spare) {
  auto certificate = parse_certificate(leaf.certificate);
  auto key = parse_key(leaf.key);
  auto ca = parse_certificate(ca_pem);
  if (!certificate || !key || !ca)
    return make_error(errc::invalid, "certificate: not PEM: " + openssl_error());
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    openssl_error();
    return make_error(errc::invalid, "certificate: the key belongs to another one");
  }
  store_ptr store{X509_STORE_new()};
  store_context_ptr context{X509_STORE_CTX_new()};
  if (X509_STORE_add_cert(store.get(), ca.get()) != 1
      || X509_STORE_CTX_init(context.get(), store.get(), certificate.get(), nullptr) != 1)
    return crypto_error("certificate");
  auto valid = X509_verify_cert(context.get()) == 1;
  auto why = X509_STORE_CTX_get_error(context.get());
  openssl_error();
  if (!valid)
    return make_error(errc::invalid, std::string{"certificate: "} + X509_verify_cert_error_string(why));
  auto later = ::time(nullptr) + static_cast<time_t>(spare.count());
  if (X509_cmp_time(X509_get0_notAfter(certificate.get()), &later) <= 0)
    return make_error(errc::invalid, "certificate: expires soon");
  return {};
}

caf::error write_private_file(const std::filesystem::path& path, std::string_view text) {
  auto temporary = path.string() + ".XXXXXX";
  auto fd = ::mkostemp(temporary.data(), O_CLOEXEC); // mode 0600
  if (fd < 0) return errno_error("create " + temporary, errno);
  auto fail = [&](const char* what) {
    auto err = errno_error(what + path.string(), errno);
    if (fd >= 0) ::close(fd);
    ::unlink(temporary.c_str());
    return err;
  };
  for (auto left = text; !left.empty();) {
    auto n = ::write(fd, left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail("write ");
    left.remove_prefix(static_cast<size_t>(n));
  }
  if (::fsync(fd) != 0) return fail("fsync ");
  auto closed = ::close(std::exchange(fd, -1));
  if (closed != 0) return fail("close ");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail("rename ");
  // The rename itself must survive a crash too.
  auto directory = path.has_parent_path() ? path.parent_path() : std::filesystem::path{"."};
  fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || ::fsync(fd) != 0) {
    auto err = errno_error("fsync " + directory.string(), errno);
    if (fd >= 0) ::close(fd);
    return err;
  }
  ::close(fd);
  return {};
}

caf::expected<cluster_pki> ensure_cluster_pki(const cluster_pki_settings& settings) {
  auto& directory = settings.directory;
  std::error_code failed;
  if (!std::filesystem::exists(directory, failed)) {
    std::filesystem::create_directories(directory.parent_path(), failed);
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
      return errno_error("create " + directory.string(), errno);
  }
  cluster_pki result;
  auto ensure = [&](const std::string& name, pem_identity& out, auto&& good, auto&& make) -> caf::error {
    auto found = load(directory, name);
    if (!found) return found.error();
    if (!found->certificate.empty() && !found->key.empty() && good(*found)) {
      out = std::move(*found);
      return {};
    }
    auto made = make();
    if (!made) return made.error();
    out = std::move(*made);
    return save(directory, name, out);
  };
  auto fits = [&](const pem_identity& leaf) {
    return !check_certificate(leaf, result.ca.certificate, settings.renew_before);
  };
  if (auto err = ensure(
          "ca", result.ca,
          [&](const pem_identity& ca) {
            return !check_certificate(ca, ca.certificate, settings.renew_before);
          },
          [&] { return make_ca("podium-ca", settings.ca_validity); }))
    return err;
  if (auto err = ensure(
          "server", result.server,
          [&](const pem_identity& leaf) { return fits(leaf) && carries(leaf, settings.names); },
          [&] {
            return make_server_certificate(result.ca, "podium", settings.names,
                                           settings.certificate_validity);
          }))
    return err;
  if (auto err = ensure(
          "admin", result.admin,
          [&](const pem_identity& leaf) {
            return fits(leaf) && is_subject(leaf, settings.admin_user, settings.admin_groups);
          },
          [&] {
            return make_client_certificate(result.ca, settings.admin_user, settings.admin_groups,
                                           settings.certificate_validity);
          }))
    return err;
  return result;
}

} // namespace podium
