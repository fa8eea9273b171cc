// What a probed gRPC server answers: its status, its header fields, and the frame with the message. Whoever
// says that it serves has said so in a whole, well-formed answer; whatever else is said, the words are
// bounded.
#include "core/error.hpp"
#include "fuzz_input.hpp"
#include "runtime/probe/grpc_health.hpp"

using namespace podium;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr int statuses[] = {200, 200, 200, 100, 400, 401, 403, 404, 429, 503, 599, 0};
  fuzz::input in{data, size};
  http_reply reply;
  reply.status = statuses[in.choose(std::size(statuses))];
  auto broken = in.choose(4);
  if (broken == 1) reply.cut = true;
  if (broken == 2) reply.broken = make_error(errc::timeout, "late");
  if (broken == 3) reply.broken = make_error(errc::io, "gone");
  // Lines of "name: value", then the body.
  for (auto line = in.text(); !line.empty(); line = in.text()) {
    auto colon = line.find(':');
    if (colon != line.npos) reply.headers.add(line.substr(0, colon), line.substr(colon + 1));
  }
  reply.body = std::string{in.rest()};
  auto got = judge_grpc_health(reply, std::chrono::seconds{1});
  if (got.verdict == probe_verdict::success) {
    fuzz::require(reply.status == 200 && !reply.broken && !reply.cut, "who serves has answered in whole");
    fuzz::require(reply.headers.get("content-type").starts_with("application/grpc"),
                  "who serves speaks gRPC");
    fuzz::require(reply.body.size() > 5 && reply.body[0] == 0, "who serves has sent a plain message");
  } else {
    fuzz::require(got.verdict == probe_verdict::failure, "a gRPC probe knows no error");
    fuzz::require(!got.output.empty(), "a failure says why");
  }
  fuzz::require(got.output.size() <= size + 256, "the words are bounded by the answer");
  return 0;
}
