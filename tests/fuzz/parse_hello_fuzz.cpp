// Input: the octets of a hello.

#include "protocol/hello.hpp"
#include "tests/fuzz/fuzz.hpp"

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
  for (const auto& hello : {plain, second, behind_packet}) {
    const auto encoded = encode_hello(hello);
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
  check(parsed->control_length >= parsed->offset + hello_size, "control ends with the hello");
  check(parsed->control_length - parsed->offset <= size, "control is no longer than what came");
  check(parsed->stream_index < parsed->stream_count, "the index is one of the streams");
  // What is encoded here has no proof.
  auto hello = *parsed;
  hello.control_length = hello.offset + hello_size;
  const auto encoded = encode_hello(hello);
  const auto again = parse_hello(encoded);
  check(again.has_value(), "what is encoded can be read");
  check(again->version == hello.version && again->offset == hello.offset &&
            again->control_length == hello.control_length && again->session == hello.session &&
            again->stream_index == hello.stream_index &&
            again->stream_count == hello.stream_count &&
            again->capabilities == hello.capabilities && again->keepalive == hello.keepalive &&
            again->mtu == hello.mtu,
        "what is read is what was encoded");
  return 0;
}
