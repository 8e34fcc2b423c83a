// Input: two octets of position, one of the segments' size, and the payload of a (super-)segment that
// a stranger sends in the place of the peer's; and a control record's content.

#include "protocol/sealed/control.hpp"
#include "protocol/sealed/record.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/fake_crypto.hpp"

#include <algorithm>

using namespace tonel::protocol;
using namespace tonel::protocol::sealed;
using tonel::fuzz::check;

namespace {

const secret exported{secret::octets{1, 2, 3}};
constexpr std::uint32_t first_position = 570;
constexpr std::uint32_t datagram_size = 30;

std::vector<std::uint8_t> sealed_run(std::uint32_t datagrams) {
  const auto c = tonel::test::make_fake_crypto(1);
  const std::vector<std::uint8_t> content(datagrams * datagram_size, 0x42);
  std::vector<std::uint8_t> out{first_position >> 8, first_position & 0xff,
                                datagram_size + record_overhead};
  const auto head = out.size();
  out.resize(head + sealed_size(static_cast<std::uint32_t>(content.size()), datagram_size));
  check(sealer(*c, exported, suite::aes_128_gcm)
            .seal_run(first_position, content, datagram_size, byte_span{out}.subview(head)),
        "a run can be sealed");
  return out;
}

} // namespace

std::vector<std::vector<std::uint8_t>> tonel::fuzz::seeds() {
  std::vector<std::vector<std::uint8_t>> out{sealed_run(1), sealed_run(3), sealed_run(20)};
  const auto refusal = encode_refusal(refusal_reason::server_full);
  out.emplace_back(refusal.begin(), refusal.end());
  return out;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const byte_view all{data, size};
  static_cast<void>(find_refusal(all));
  if (size < 4) return 0;
  const auto c = tonel::test::make_fake_crypto(1);
  opener in{*c, exported, suite::aes_128_gcm};
  const auto payload = all.subview(3);
  std::vector<std::uint8_t> out(payload.size());
  for (int round = 0; round < 2; ++round) {
    std::uint32_t from = 0;
    std::uint32_t written = 0;
    in.open_run(load_be16(all, 0), payload, data[2], out, [&](const found& f) {
      check(f.from == from && f.size != 0, "stretches follow each other");
      check(f.out == written && f.out + f.length <= out.size(), "content lies in the output");
      from += f.size;
      written += f.length;
      if (f.what == found_as::datagrams) check(round == 0, "no datagram comes twice");
      // The tag of the fake one can't be guessed either: only what was sealed is opened.
      if (f.what == found_as::datagrams)
        check(std::all_of(out.begin() + f.out, out.begin() + f.out + f.length,
                          [](std::uint8_t octet) { return octet == 0x42; }),
              "what is opened is what was sealed");
    });
    check(from == payload.size(), "every segment is something");
  }
  return 0;
}
