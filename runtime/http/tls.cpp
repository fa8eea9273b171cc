#include "runtime/http/tls.hpp"

#include "core/error.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

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

bio_ptr view_bio(const std::string& text) {
  return bio_ptr{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
}

caf::error use_chain(SSL_CTX* context, const std::string& pem) {
  auto bio = view_bio(pem);
  x509_ptr leaf{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)};
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1)
    return make_error(errc::invalid, "server certificate: " + openssl_error());
  while (auto* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))
    SSL_CTX_add0_chain_cert(context, next); // takes ownership
  ERR_clear_error();                        // the end of the PEM text is reported as an error
  return {};
}

caf::error use_client_ca(SSL_CTX* context, const std::string& pem) {
  auto bio = view_bio(pem);
  auto* store = SSL_CTX_get_cert_store(context);
  int count = 0;
  while (x509_ptr ca{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    if (X509_STORE_add_cert(store, ca.get()) != 1 || SSL_CTX_add_client_CA(context, ca.get()) != 1)
      return make_error(errc::invalid, "client CA: " + openssl_error());
    ++count;
  }
  ERR_clear_error();
  if (count == 0) return make_error(errc::invalid, "client CA: no certificate in the PEM text");
  // The result is recorded by OpenSSL and judged per request.
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
  return {};
}

int select_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                unsigned in_size, void*) {
  static constexpr unsigned char http11[] = "\x08http/1.1";
  auto** result = const_cast<unsigned char**>(out);
  // No overlap (a client that insists on h2) goes on without ALPN and then speaks HTTP/1.1 or leaves.
  if (SSL_select_next_proto(result, out_size, http11, sizeof http11 - 1, in, in_size)
      != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  return SSL_TLSEXT_ERR_OK;
}

std::vector<std::string> name_entries(X509_NAME* name, int nid) {
  std::vector<std::string> result;
  for (int i = X509_NAME_get_index_by_NID(name, nid, -1); i >= 0;
       i = X509_NAME_get_index_by_NID(name, nid, i)) {
    unsigned char* utf8 = nullptr;
    auto size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)));
    if (size < 0) continue;
    result.emplace_back(reinterpret_cast<char*>(utf8), static_cast<size_t>(size));
    OPENSSL_free(utf8);
  }
  return result;
}

/// A memory BIO keeps what it has once allocated; one that a burst went through is too large to keep on a
/// connection that may be idle for hours.
bool has_grown(BIO* bio) {
  constexpr size_t most = 8 * 1024;
  BUF_MEM* memory = nullptr;
  BIO_get_mem_ptr(bio, &memory);
  return memory && memory->max > most;
}

} // namespace

std::string openssl_error() {
  auto code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "unknown OpenSSL error";
  char text[256];
  ERR_error_string_n(code, text, sizeof text);
  return text;
}

caf::expected<std::shared_ptr<tls_context>> tls_context::make(const tls_settings& settings) {
  std::shared_ptr<tls_context> result{new tls_context{SSL_CTX_new(TLS_server_method())}};
  auto* context = result->raw();
  if (!context) return make_error(errc::internal, "TLS context: " + openssl_error());
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context, select_alpn, nullptr);
  // Without it resumption fails once peers are verified.
  static constexpr unsigned char session_id[] = "podium";
  SSL_CTX_set_session_id_context(context, session_id, sizeof session_id - 1);
  if (auto err = use_chain(context, settings.certificate_pem)) return err;
  auto bio = view_bio(settings.key_pem);
  key_ptr key{PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr)};
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
    return make_error(errc::invalid, "server key: " + openssl_error());
  if (!settings.client_ca_pem.empty())
    if (auto err = use_client_ca(context, settings.client_ca_pem)) return err;
  return result;
}

tls_context::~tls_context() {
  SSL_CTX_free(context_);
}

tls_engine::tls_engine(const tls_context& context) : ssl_(SSL_new(context.raw())) {
  SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_accept_state(ssl_);
}

tls_engine::~tls_engine() {
  SSL_free(ssl_);
}

void tls_engine::feed(std::string_view cipher) {
  if (auto* bio = SSL_get_rbio(ssl_); BIO_ctrl_pending(bio) == 0 && has_grown(bio))
    SSL_set0_rbio(ssl_, BIO_new(BIO_s_mem()));
  BIO_write(SSL_get_rbio(ssl_), cipher.data(), static_cast<int>(cipher.size()));
}

tls_engine::status tls_engine::read(char* buffer, size_t capacity, size_t& size) {
  size = 0;
  auto n = SSL_read(ssl_, buffer, static_cast<int>(capacity));
  if (n > 0) {
    size = static_cast<size_t>(n);
    return status::ok;
  }
  auto why = SSL_get_error(ssl_, n);
  ERR_clear_error();
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return status::want_input;
  return why == SSL_ERROR_ZERO_RETURN ? status::closed : status::failed;
}

bool tls_engine::write(std::string_view plain) {
  while (!plain.empty()) {
    auto n = SSL_write(ssl_, plain.data(), static_cast<int>(std::min<size_t>(plain.size(), 1 << 20)));
    if (n <= 0) {
      ERR_clear_error();
      return false;
    }
    plain.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

void tls_engine::shutdown() {
  if (handshake_done()) SSL_shutdown(ssl_);
  ERR_clear_error();
}

size_t tls_engine::pending_output() const {
  return BIO_ctrl_pending(SSL_get_wbio(ssl_));
}

void tls_engine::take(std::string& out) {
  auto* bio = SSL_get_wbio(ssl_);
  char* data = nullptr;
  auto size = BIO_get_mem_data(bio, &data);
  if (size > 0) out.append(data, static_cast<size_t>(size));
  if (has_grown(bio))
    SSL_set0_wbio(ssl_, BIO_new(BIO_s_mem()));
  else
    BIO_reset(bio);
}

bool tls_engine::pending_input() const {
  return SSL_pending(ssl_) > 0 || BIO_ctrl_pending(SSL_get_rbio(ssl_)) > 0;
}

bool tls_engine::handshake_done() const {
  return SSL_is_init_finished(ssl_) == 1;
}

void tls_engine::identify(peer_identity& peer) const {
  peer.tls = true;
  x509_ptr certificate{SSL_get1_peer_certificate(ssl_)};
  if (!certificate) return;
  peer.presented = true;
  auto result = SSL_get_verify_result(ssl_);
  peer.verified = result == X509_V_OK;
  if (!peer.verified) peer.verify_error = X509_verify_cert_error_string(result);
  auto* subject = X509_get_subject_name(certificate.get());
  if (auto names = name_entries(subject, NID_commonName); !names.empty()) peer.common_name = names.front();
  peer.organizations = name_entries(subject, NID_organizationName);
}

} // namespace podium
