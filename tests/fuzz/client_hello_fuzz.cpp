// Input: the first octets of a connection.

#include "protocol/sealed/client_hello.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/client_hello.hpp"

using namespace tonel::protocol;
using namespace tonel::protocol::sealed;
using tonel::fuzz::check;

std::vector<std::vector<std::uint8_t>> tonel::fuzz::seeds() {
  test::client_hello plain;
  auto bare = plain;
  bare.identities.clear();
  auto two = plain;
  two.identities.emplace_back(100);
  two.binders.emplace_back(48);
  auto behind = plain;
  behind.behind_psk = {0, 16, 0, 2, 0, 0};
  auto shortest = plain;
  shortest.session.clear();
  shortest.identities = {{1}};
  std::vector<std::vector<std::uint8_t>> out;
  for (const auto& hello : {plain, bare, two, behind, shortest})
    out.push_back(hello.bytes());
  return out;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const byte_view octets{data, size};
  const auto parsed = parse_client_hello(octets);
  if (!parsed) {
    // More octets heal nothing but what is incomplete.
    if (parsed.error() == hello_refusal::incomplete)
      check(size < max_client_hello, "what is waited for is bounded");
    return 0;
  }
  check(parsed->size <= size && parsed->size <= max_client_hello, "the flight is what came");
  const auto& identity = parsed->identity;
  check(!identity.empty(), "an identity has octets");
  check(identity.data() >= data && identity.end() <= data + parsed->size,
        "the identity lies in the flight");
  const auto same = parse_client_hello(octets.subview(0, parsed->size));
  check(same && same->identity.data() == identity.data(), "what follows does not matter");
  check(!parse_client_hello(octets.subview(0, parsed->size - 1)), "all of it is needed");
  return 0;
}
