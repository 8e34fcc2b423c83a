#include "protocol/lower_case.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel::protocol;

BOOST_AUTO_TEST_SUITE(lower_case_test)

BOOST_AUTO_TEST_CASE(lower_case_is_unicodes) {
  BOOST_TEST(to_lower_case("MiXeD 09 :/") == "mixed 09 :/");
  BOOST_TEST(to_lower_case("ÀÿĀžĲ ΑΩ ЀЯ Ա Ⴀ ẞ Ｚ 𐐀 İ") == "àÿāžĳ αω ѐя ա ⴀ ß ｚ 𐐨 i̇");
}

BOOST_AUTO_TEST_CASE(a_sigma_at_a_words_end_is_the_final_one) {
  BOOST_TEST(to_lower_case("ΟΔΟΣ ΣΑΣ Σ ΣΣΑ") == "οδος σας σ σσα");
}

BOOST_AUTO_TEST_CASE(what_is_not_utf8_stays) {
  BOOST_TEST(to_lower_case("\xff\xc3 A\xe2\x82") == "\xff\xc3 a\xe2\x82");
}

BOOST_AUTO_TEST_SUITE_END()
