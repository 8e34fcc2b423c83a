#include "protocol/sealed/key.hpp"

#include <boost/test/unit_test.hpp>

#include <random>
#include <string>

using namespace tonel::protocol::sealed;

namespace {

key_error error_of(std::string_view text) {
  const auto key = parse_key(text);
  BOOST_REQUIRE_MESSAGE(!key, "was read: " << text);
  return key.error();
}

// As printed by `wg genpsk`.
const std::string printed = "/UOmcsFKmY9yiCb1rXTKBmUJUwZRmlnGzoEKxCNcsGk=";

} // namespace

BOOST_AUTO_TEST_SUITE(sealed_key_test)

BOOST_AUTO_TEST_CASE(a_key_is_read_as_wg_prints_it) {
  const auto key = parse_key(printed + "\n");
  BOOST_REQUIRE(key);
  BOOST_TEST(key->value()[0] == 0xfd);
  BOOST_TEST(key->value()[31] == 0x69);
  BOOST_TEST(format_key(*key) == printed);
}

BOOST_AUTO_TEST_CASE(every_key_is_read_from_its_own_text) {
  std::mt19937 random{1};
  for (int i = 0; i < 2'000; ++i) {
    secret key;
    for (auto& octet : key.span())
      octet = static_cast<std::uint8_t>(random());
    const auto text = format_key(key);
    BOOST_TEST_REQUIRE(text.size() == 44u);
    const auto again = parse_key(" \t" + text + " \r\n\n");
    BOOST_REQUIRE(again);
    BOOST_TEST_REQUIRE((again->value() == key.value()));
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_key_is_told_in_words) {
  BOOST_TEST((error_of("") == key_error::empty));
  BOOST_TEST((error_of(" \n\n") == key_error::empty));
  BOOST_TEST((error_of(printed + "\n" + printed + "\n") == key_error::several_lines));
  BOOST_TEST((error_of(printed.substr(1)) == key_error::wrong_length));
  BOOST_TEST((error_of("key = " + printed) == key_error::wrong_length));
  BOOST_TEST((error_of(std::string(43, 'A') + "=") == key_error::all_zeros));
  BOOST_TEST((error_of(std::string(44, 'A')) == key_error::not_base64));
  for (const auto e : {key_error::empty, key_error::several_lines, key_error::wrong_length,
                       key_error::not_base64, key_error::all_zeros}) {
    BOOST_TEST(std::string{to_string(e)} != "unknown");
    BOOST_TEST(std::string{to_string(e)}.find(printed) == std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(no_character_outside_of_base64_is_taken) {
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int c = 1; c < 256; ++c) {
    auto text = printed;
    text[7] = static_cast<char>(c);
    const bool wanted = alphabet.find(static_cast<char>(c)) != std::string::npos;
    BOOST_TEST_REQUIRE(parse_key(text).has_value() == wanted, "character " << c);
  }
}

BOOST_AUTO_TEST_CASE(one_key_has_one_text) {
  auto text = printed;
  text[42] = 'l'; // as the right 'k', but for bits that no octet has
  BOOST_TEST((error_of(text) == key_error::not_base64));
}

BOOST_AUTO_TEST_CASE(names_of_keys_are_short_and_plain) {
  for (const auto* name : {"a", "office-2", "0.laptop_of.A", "abcdefghijklmnopqrstuvwxyz012345"})
    BOOST_TEST(is_key_name(name), name);
  for (const auto* name :
       {"", "-a", ".key", "a b", "a/b", "a\n", "ä", "abcdefghijklmnopqrstuvwxyz0123456"})
    BOOST_TEST(!is_key_name(name), name);
}

BOOST_AUTO_TEST_SUITE_END()
