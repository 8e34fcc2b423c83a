#include "protocol/sealed/control.hpp"

#include <boost/test/unit_test.hpp>

#include <random>
#include <string>
#include <vector>

using namespace tonel::protocol;
using namespace tonel::protocol::sealed;

namespace {

using octets = std::vector<std::uint8_t>;

} // namespace

BOOST_AUTO_TEST_SUITE(sealed_control_test)

BOOST_AUTO_TEST_CASE(a_refusal_is_read_as_it_was_written) {
  for (const auto reason : {refusal_reason::key_withdrawn, refusal_reason::server_full}) {
    const auto content = encode_refusal(reason);
    const auto found = find_refusal(content);
    BOOST_REQUIRE(found);
    BOOST_TEST((*found == reason));
    BOOST_TEST(std::string{to_string(reason)}.find("the server") == 0u);
  }
}

BOOST_AUTO_TEST_CASE(messages_of_later_versions_are_passed_over) {
  const octets content{200, 0, 3, 9,  9, 9, // a kind of later
                       1,   0, 1, 77,       // a reason of later
                       1,   0, 0,           // none
                       1,   0, 4, 2,  0, 0, 0};
  const auto found = find_refusal(content);
  BOOST_REQUIRE(found);
  BOOST_TEST((*found == refusal_reason::server_full));
}

BOOST_AUTO_TEST_CASE(what_is_cut_short_says_nothing) {
  for (const octets& content : std::vector<octets>{{},
                                                   {1},
                                                   {1, 0},
                                                   {1, 0, 1},
                                                   {1, 0, 2, 1},
                                                   {1, 0xff, 0xff, 1, 1},
                                                   {200, 0, 5, 1, 0, 1, 1}})
    BOOST_TEST(!find_refusal(content));
}

BOOST_AUTO_TEST_CASE(any_octets_can_be_walked_through) {
  std::mt19937 random{5};
  for (int i = 0; i < 20'000; ++i) {
    octets content(random() % 40);
    for (auto& octet : content)
      octet = static_cast<std::uint8_t>(random() % 3 == 0 ? random() : random() % 4);
    control_reader messages{content};
    std::size_t seen = 0;
    while (const auto message = messages.next())
      seen += 3 + message->body.size();
    BOOST_TEST_REQUIRE(seen <= content.size());
  }
}

BOOST_AUTO_TEST_SUITE_END()
