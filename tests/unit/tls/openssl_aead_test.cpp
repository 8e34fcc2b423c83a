#include "protocol/sealed/record.hpp"
#include "tls/openssl_crypto.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <vector>

using namespace tonel::protocol;
using namespace tonel::protocol::sealed;

namespace {

using octets = std::vector<std::uint8_t>;

constexpr std::array<suite, 2> suites{suite::aes_128_gcm, suite::chacha20_poly1305};

octets from_hex(const std::string& hex) {
  octets out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  return out;
}

struct library {
  std::unique_ptr<crypto> c = tonel::tls::make_openssl_crypto();
  library() { BOOST_REQUIRE(c); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(openssl_aead_test, library)

BOOST_AUTO_TEST_CASE(hkdf_is_that_of_rfc_5869) {
  const struct {
    const char *key, *salt, *info, *out;
  } cases[] = {
      {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
       "f0f1f2f3f4f5f6f7f8f9",
       "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
      {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
       "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
  };
  for (const auto& test : cases) {
    const auto wanted = from_hex(test.out);
    octets out(wanted.size());
    c->hkdf(from_hex(test.key), from_hex(test.salt), from_hex(test.info), out);
    BOOST_TEST(out == wanted, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_of_a_record_is_refused) {
  for (const auto s : suites) {
    const secret exported{secret::octets{9}};
    sealer out{*c, exported, s};
    opener in{*c, exported, s};
    const octets content(61, 0x5a);
    octets wire(content.size() + record_overhead);
    BOOST_REQUIRE(out.seal(570, inner_type::datagram, content, wire));
    octets opened(wire.size());
    for (std::size_t bit = 0; bit < wire.size() * 8; ++bit) {
      auto changed = wire;
      changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1 << (bit % 8)));
      BOOST_TEST_REQUIRE((in.open(570, changed, opened).what == found_as::forged),
                         to_string(s) << ", bit " << bit);
    }
    BOOST_TEST((in.open(570, wire, opened).what == found_as::datagrams));
  }
}

BOOST_AUTO_TEST_CASE(one_context_seals_and_opens_by_turns) {
  for (const auto s : suites) {
    const auto cipher = c->make_aead(s, octets(key_size(s), 7));
    BOOST_REQUIRE(cipher);
    for (std::uint8_t i = 0; i < 50; ++i) {
      const aead_nonce nonce{i};
      const octets plain(i, i);
      octets sealed(plain.size() + 1 + tag_size);
      octets opened(plain.size() + 1);
      BOOST_TEST(cipher->seal(nonce, octets{1, 2}, plain, 0x17, sealed));
      BOOST_TEST(cipher->open(nonce, octets{1, 2}, sealed, opened));
      BOOST_TEST(!cipher->open(nonce, octets{1, 3}, sealed, opened));
      BOOST_TEST(opened.back() == 0x17);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_key_of_another_length_makes_no_cipher) {
  BOOST_TEST(!c->make_aead(suite::aes_128_gcm, octets(32)));
  BOOST_TEST(!c->make_aead(suite::chacha20_poly1305, octets(16)));
}

BOOST_AUTO_TEST_SUITE_END()
