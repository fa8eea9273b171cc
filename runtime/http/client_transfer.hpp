// One request of the HTTP client: what it tells curl, what it takes from it, and what has come of it. Only
// for client.cpp.
#pragma once
#include "runtime/http/client.hpp"

#include <curl/curl.h>
#include <memory>
#include <unordered_map>

namespace podium::detail {

struct slist_free {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using slist_ptr = std::unique_ptr<curl_slist, slist_free>;

/// Open sockets of HTTP/2 requests, by the request that opened each.
using socket_owners = std::unordered_map<curl_socket_t, uint64_t>;

/// How many bytes a TCP socket has got of its peer, read or not; a FIN counts as one.
uint64_t received_bytes(int socket);

struct transfer {
  uint64_t id = 0;
  http_fetch fetch;
  http_client::callback done;
  http_reply reply;
  socket_owners* sockets = nullptr;
  bool cancelled = false;
  CURL* easy = nullptr;

  /// Tells curl all about the request.
  void configure();
  /// Notes what its peer has sent so far on a socket.
  void look_at(curl_socket_t socket);
  /// What became of it; once, at its end.
  caf::expected<http_reply> result(CURLcode code);

private:
  size_t take_header(std::string_view line);
  size_t take_body(std::string_view bytes);
  void configure_connection();
  void configure_tls();
  void configure_message();
  template <class T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(easy, option, value);
  }

  size_t header_bytes_ = 0;
  bool too_large_ = false;
  bool in_body_ = false;         ///< the answer's head is complete
  bool peer_has_spoken_ = false; ///< known of HTTP/2 only
  slist_ptr headers_, connect_to_;
  char error_[CURL_ERROR_SIZE] = "";
};

} // namespace podium::detail
