// Input: one octet: 0: a server's end by OpenSSL, 1: a client's, 2 and 3: the same without it; then
// octets of the peer, in pieces that an octet before each gives the length of, 0 for all the rest.

#include "protocol/sealed/handshake.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/fake_crypto.hpp"
#include "tests/support/handshake_pair.hpp"
#include "tls/openssl_crypto.hpp"

#include <algorithm>

using namespace tonel::protocol;
using namespace tonel::protocol::sealed;
using tonel::fuzz::check;

namespace {

using octets = std::vector<std::uint8_t>;

std::unique_ptr<crypto> make_crypto(bool real) {
  return real ? tonel::tls::make_openssl_crypto() : tonel::test::make_fake_crypto(1);
}

/// Made once: to make OpenSSL's takes milliseconds.
tonel::test::handshake_pair& pair_of(bool real) {
  static tonel::test::handshake_pair with{make_crypto(true)};
  static tonel::test::handshake_pair without{make_crypto(false)};
  return real ? with : without;
}

} // namespace

std::vector<octets> tonel::fuzz::seeds() {
  std::vector<octets> out;
  for (std::uint8_t kind = 0; kind < 4; ++kind) {
    auto& pair = pair_of(kind < 2);
    const auto hello = pair.open();
    const auto answer = pair.meet(hello);
    auto finished = pair.to_client(answer);
    const auto& first = kind % 2 == 0 ? hello.octets : answer.octets;
    octets whole{kind, 0};
    whole.insert(whole.end(), first.begin(), first.end());
    if (kind % 2 == 0) whole.insert(whole.end(), finished.octets.begin(), finished.octets.end());
    out.push_back(whole);
    octets pieces{kind};
    for (std::size_t at = 0; at < first.size(); at += 100) {
      const auto length = std::min<std::size_t>(100, first.size() - at);
      pieces.push_back(static_cast<std::uint8_t>(length));
      pieces.insert(pieces.end(), first.begin() + static_cast<std::ptrdiff_t>(at),
                    first.begin() + static_cast<std::ptrdiff_t>(at + length));
    }
    out.push_back(pieces);
  }
  return out;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  auto& pair = pair_of((data[0] & 2) == 0);
  const bool client = (data[0] & 1) != 0;
  byte_view rest{data + 1, size - 1};
  // A server makes the state of TLS for whoever has the key, so that is where its octets come from;
  // any identity is taken here for one that was found.
  handshake end = [&] {
    if (client) {
      pair.open();
      return std::move(*pair.client);
    }
    const auto hello = parse_client_hello(rest.subview(1));
    return handshake::accept(*pair.c, pair.client_key, hello ? hello->identity : byte_view{},
                             pair.start);
  }();
  static_cast<void>(look_at(*pair.c, pair.server_keys, rest, 0, 0));
  std::uint64_t at = 0;
  while (!rest.empty()) {
    const auto left = rest.size() - 1;
    const auto length = rest[0] == 0 ? left : std::min<std::size_t>(rest[0], left);
    const auto step = end.on_octets(at, rest.subview(1, length));
    at += length;
    rest = rest.subview(1 + length);
    check(!step.done || end.outcome(), "what is done has an outcome");
    check(!step.done || step.failed == handshake_failure::none, "what is done has not failed");
    check(step.send.empty() || step.at + step.send.size() == end.own_control(),
          "what is sent is the last flight");
    if (step.done) check(end.peer_control() <= at, "control is no longer than what came");
    if (step.failed != handshake_failure::none) check(end.is_over(), "what has failed is over");
  }
  if (client) check(!end.outcome(), "a client is never done with a flight that answers another");
  return 0;
}
