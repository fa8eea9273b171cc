// TLS as bytes in, bytes out: OpenSSL over memory BIOs, so that the one loop does all I/O.
#pragma once
#include "runtime/http/message.hpp"

#include <caf/expected.hpp>
#include <memory>
#include <string>
#include <string_view>

struct ssl_ctx_st;
struct ssl_st;

namespace podium {

struct tls_settings {
  std::string certificate_pem; ///< the server's chain, leaf first
  std::string key_pem;
  std::string client_ca_pem; ///< empty: client certificates are not asked for
};

/// A server's TLS configuration: TLS 1.2 or newer, ALPN http/1.1 only. A client certificate is asked for but
/// never demanded, and a bad one does not fail the handshake: peer_identity says `presented` without
/// `verified`, so that the API can answer 401 as kube-apiserver does.
class tls_context {
public:
  static caf::expected<std::shared_ptr<tls_context>> make(const tls_settings& settings);
  ~tls_context();
  tls_context(const tls_context&) = delete;
  tls_context& operator=(const tls_context&) = delete;
  ssl_ctx_st* raw() const { return context_; }

private:
  explicit tls_context(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
};

/// The server side of one TLS connection. Holds no socket: feed() what arrived, take() what is to be sent.
class tls_engine {
public:
  enum class status { ok, want_input, closed, failed };

  explicit tls_engine(const tls_context& context);
  ~tls_engine();
  tls_engine(const tls_engine&) = delete;
  tls_engine& operator=(const tls_engine&) = delete;

  void feed(std::string_view cipher);
  /// Decrypts into `buffer`; `size` says how much. Drives the handshake too.
  status read(char* buffer, size_t capacity, size_t& size);
  /// Encrypts all of `plain`. False when the connection is beyond use.
  bool write(std::string_view plain);
  /// Queues the close_notify alert.
  void shutdown();
  size_t pending_output() const;
  /// True when read() may have more without another feed().
  bool pending_input() const;
  /// Moves all waiting cipher bytes to the end of `out`.
  void take(std::string& out);
  bool handshake_done() const;
  /// Fills the TLS part of `peer`; call once handshake_done().
  void identify(peer_identity& peer) const;

private:
  ssl_st* ssl_;
};

/// The text of OpenSSL's newest queued error; empties the queue.
std::string openssl_error();

} // namespace podium
