#include "protocol/xor_cipher.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

using namespace tonel::protocol;

namespace {

using octets = std::vector<std::uint8_t>;

octets numbers(std::size_t size) {
  octets out(size);
  for (std::size_t i = 0; i < size; ++i)
    out[i] = static_cast<std::uint8_t>(i * 7 + 3);
  return out;
}

/// The definition, octet by octet.
octets by_hand(octets data, std::uint32_t size, const std::string& key) {
  for (std::size_t i = 0; i < data.size(); ++i)
    data[i] = static_cast<std::uint8_t>(data[i] ^ key[i % size % key.size()]);
  return data;
}

} // namespace

BOOST_AUTO_TEST_SUITE(xor_cipher_test)

BOOST_AUTO_TEST_CASE(a_known_datagram) {
  octets data{'h', 'e', 'l', 'l', 'o'};
  xor_cipher{"key"}.apply(data, 5);
  const octets expected{'h' ^ 'k', 'e' ^ 'e', 'l' ^ 'y', 'l' ^ 'k', 'o' ^ 'e'};
  BOOST_TEST(data == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(each_datagram_starts_at_the_first_octet_of_the_key) {
  for (const std::string& key :
       {std::string{"k"}, std::string{"secret"}, std::string(63, 'q') + "x",
        std::string(500, 'a') + std::string(999, 'b')}) {
    const xor_cipher cipher{key};
    for (const std::uint32_t size : {1u, 7u, 8u, 63u, 64u, 65u, 200u, 1'400u, 1'460u, 9'000u}) {
      const auto plain = numbers(size * 5 - size / 3);
      auto data = plain;
      cipher.apply(data, size);
      BOOST_TEST((data == by_hand(plain, size, key)), key.size() << " in " << size);
      cipher.apply(data, size);
      BOOST_TEST((data == plain));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_neighbours_of_a_datagram_are_not_touched) {
  const auto plain = numbers(300);
  for (std::size_t from = 0; from < 20; ++from) {
    auto data = plain;
    xor_cipher{"key"}.apply(byte_span{data}.subview(100, from), 1'000);
    for (std::size_t i = 0; i < data.size(); ++i)
      if (i < 100 || i >= 100 + from) BOOST_TEST(data[i] == plain[i]);
  }
}

BOOST_AUTO_TEST_CASE(an_empty_datagram_stays_empty) {
  octets none;
  xor_cipher{"key"}.apply(none, 0);
  BOOST_TEST(none.empty());
}

BOOST_AUTO_TEST_CASE(of_a_long_key_1500_octets_count) {
  const auto plain = numbers(2'000);
  auto data = plain, cut = plain;
  const auto key = std::string(1'499, 'a') + "bcdef";
  xor_cipher{key}.apply(data, 2'000);
  xor_cipher{key.substr(0, 1'500)}.apply(cut, 2'000);
  BOOST_TEST((data == cut));
}

BOOST_AUTO_TEST_CASE(marks_differ_where_datagrams_would) {
  BOOST_TEST(xor_cipher{"ab"}.mark() == xor_cipher{"abab"}.mark()); // the same
  BOOST_TEST(xor_cipher{"ab"}.mark() != xor_cipher{"aba"}.mark());
  BOOST_TEST(xor_cipher{"ab"}.mark() != xor_cipher{"Ab"}.mark());
  BOOST_TEST(xor_cipher{std::string(1, '\0')}.mark() != 0u);
}

BOOST_AUTO_TEST_SUITE_END()
