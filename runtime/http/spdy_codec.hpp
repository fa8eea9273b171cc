// SPDY/3.1 framing, as far as exec, attach and port-forward use it: bytes to frames and back, nothing of
// sockets. Both directions are here, so that tests and fuzzers can speak for the client.
#pragma once
#include <caf/expected.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace podium {

/// What a client may make the decoder hold.
struct spdy_limits {
  uint32_t control_frame_bytes = 16 * 1024; ///< as it comes over the wire
  size_t header_block_bytes = 32 * 1024;    ///< after inflation
  uint32_t header_count = 64;
};

/// Why a stream is reset (RST_STREAM) or a connection ends (GOAWAY: the first two and internal_error only).
enum class spdy_status : uint32_t {
  ok = 0,
  protocol_error = 1,
  invalid_stream = 2,
  refused_stream = 3,
  cancel = 5,
  internal_error = 6,
  stream_already_closed = 9,
};

/// Header fields in order of arrival; names in lower case.
using spdy_headers = std::vector<std::pair<std::string, std::string>>;
/// The value of a header; empty when it is not there.
std::string_view find_header(const spdy_headers& headers, std::string_view name);

struct spdy_syn_stream {
  uint32_t stream = 0;
  bool fin = false; ///< the sender is done already
  spdy_headers headers;
};
struct spdy_syn_reply {
  uint32_t stream = 0;
  bool fin = false;
  spdy_headers headers;
};
/// A piece of a DATA frame, as long as the bytes it came in: a whole frame is never held.
struct spdy_data {
  uint32_t stream = 0;
  bool fin = false; ///< the last piece of the sender's last frame
  std::string_view bytes;
};
struct spdy_rst_stream {
  uint32_t stream = 0, status = 0;
};
struct spdy_ping {
  uint32_t id = 0;
};
struct spdy_goaway {
  uint32_t last_stream = 0, status = 0;
};
using spdy_frame =
    std::variant<spdy_syn_stream, spdy_syn_reply, spdy_data, spdy_rst_stream, spdy_ping, spdy_goaway>;

/// Reads frames. SETTINGS, HEADERS, WINDOW_UPDATE and unknown ones are passed over: nobody who speaks SPDY to
/// a Kubernetes API has flow control.
class spdy_decoder {
public:
  explicit spdy_decoder(const spdy_limits& limits = {});
  ~spdy_decoder();
  spdy_decoder(const spdy_decoder&) = delete;
  spdy_decoder& operator=(const spdy_decoder&) = delete;

  /// Takes the next frame, or the next piece of one, off the front of `input`. Nothing: all of it was used
  /// up, more is needed. The pieces of spdy_data point into `input`. Error errc::bad_request: the peer broke
  /// the rules or a limit, and nothing after this can be read.
  caf::expected<std::optional<spdy_frame>> next(std::string_view& input);

private:
  enum class part : uint8_t { head, control, data, passed_over };
  struct inflater;
  caf::error read_head();
  caf::expected<std::optional<spdy_frame>> read_control();
  caf::expected<std::optional<spdy_frame>> read_stream(std::string_view payload);
  caf::expected<spdy_headers> read_headers(std::string_view block);

  const spdy_limits limits_;
  std::unique_ptr<inflater> inflater_;
  std::string held_; ///< of a head or a control frame that is not complete
  part part_ = part::head;
  uint16_t type_ = 0;
  uint8_t flags_ = 0;
  uint32_t stream_ = 0, left_ = 0;
};

/// Writes frames. The header blocks of one connection hang together: their frames must go out in the order in
/// which they were made.
class spdy_encoder {
public:
  spdy_encoder();
  ~spdy_encoder();
  spdy_encoder(const spdy_encoder&) = delete;
  spdy_encoder& operator=(const spdy_encoder&) = delete;

  std::string syn_stream(uint32_t stream, const spdy_headers& headers, bool fin = false);
  std::string syn_reply(uint32_t stream, const spdy_headers& headers = {});
  /// At most max_data bytes.
  static std::string data(uint32_t stream, std::string_view bytes, bool fin = false);
  static std::string rst_stream(uint32_t stream, spdy_status status);
  static std::string ping(uint32_t id);
  static std::string goaway(uint32_t last_stream, spdy_status status);

  static constexpr size_t max_data = (1 << 24) - 1;

private:
  struct deflater;
  std::string with_headers(uint16_t type, std::string fixed, const spdy_headers& headers, bool fin);
  std::unique_ptr<deflater> deflater_;
};

} // namespace podium
