// Input: the octets of a hello.

#include "protocol/hello.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>

using namespace tonel::protocol;
using tonel::fuzz::check;

std::vector<std::vector<std::uint8_t>> tonel::fuzz::seeds() {
  hello_repr plain;
  plain.control_length = hello_size;
  plain.keepalive = std::chrono::seconds{20};
  plain.mtu = 1'500;
  auto second = plain;
  second.session.fill(0xa5);
  second.stream_index = 3;
  second.stream_count = 4;
  auto behind_packet = second;
  behind_packet.offset = 300;
  behind_packet.control_length = 300 + hello_size;
  std::vector<std::vector<std::uint8_t>> out;
  auto introduces = second;
  introduces.introduces = true;
  for (const auto& hello : {plain, second, behind_packet, introduces}) {
    const auto encoded = encode_hello(hello, {7});
    out.emplace_back(encoded.begin(), encoded.end());
  }
  return out;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = parse_hello({data, size});
  if (!parsed) {
    check(parsed.error() == errc::bad_hello, "a hello is bad in one way");
    return 0;
  }
  check(parsed->control_length == parsed->offset + hello_size, "control ends with the hello");
  check(size >= hello_size, "control is no longer than what came");
  check(parsed->stream_index < parsed->stream_count, "the index is one of the streams");
  const auto encoded = encode_hello(*parsed, parsed->secret);
  check(parse_hello(encoded).has_value(), "what is encoded can be read");
  // Without the secret the tag is the only octets that can't be made again.
  const auto same = parsed->introduces ? hello_size : hello_size - 8;
  check(std::equal(encoded.begin(), encoded.begin() + same, data),
        "what is encoded is what was read");
  return 0;
}
