#include "protocol/session_proof.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel::protocol;

namespace {

const session_id id{1, 2, 3};
const session_secret secret{4, 5, 6};

/// As a server reads it.
hello_repr hello_of(const session_claim& claim, std::uint8_t index = 0, std::uint8_t count = 4) {
  hello_repr h;
  h.introduces = claim.introduces;
  h.session = claim.id;
  h.counter = claim.counter;
  h.stream_index = index;
  h.stream_count = count;
  h.control_length = hello_size;
  return *parse_hello(encode_hello(h, claim.secret));
}

errc reason(const tl::expected<void, errc>& answer) {
  return answer ? errc::count_ : answer.error();
}

struct fixture {
  session_claims client{id, secret};
  session_proof server{hello_of(client.next())};
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(session_proof_test, fixture)

BOOST_AUTO_TEST_CASE(all_hellos_introduce_until_one_is_answered) {
  const auto first = client.next(), second = client.next();
  BOOST_TEST(first.introduces);
  BOOST_TEST(second.introduces);
  BOOST_TEST(second.counter > first.counter);
  client.greeted(first.counter);
  BOOST_TEST(!client.next().introduces);
}

BOOST_AUTO_TEST_CASE(a_reset_of_an_open_stream_introduces_anew) {
  const auto lost = client.next();
  client.greeted(client.next().counter);
  client.was_reset(lost.counter, true);
  const auto again = client.next();
  BOOST_TEST(again.introduces);
  client.greeted(again.counter);
  BOOST_TEST(!client.next().introduces);
}

BOOST_AUTO_TEST_CASE(a_refused_hello_introduces_anew_unless_a_later_one_was_answered) {
  client.greeted(client.next().counter);
  const auto overtaken = client.next(), later = client.next();
  client.greeted(later.counter);
  client.was_reset(overtaken.counter, false);
  BOOST_TEST(!client.introduces());
  client.was_reset(client.next().counter, false);
  BOOST_TEST(client.introduces());
}

BOOST_AUTO_TEST_CASE(each_hello_of_a_session_opens_one_stream) {
  client.greeted(1);
  for (int i = 0; i < 100; ++i) {
    const auto hello = hello_of(client.next());
    BOOST_TEST(server.admit(hello).has_value());
    BOOST_TEST((reason(server.admit(hello)) == errc::replayed_hello));
  }
}

BOOST_AUTO_TEST_CASE(streams_of_a_session_may_come_in_any_order) {
  const auto a = client.next(), b = client.next(), c = client.next();
  BOOST_TEST(server.admit(hello_of(c, 3)).has_value());
  BOOST_TEST(server.admit(hello_of(a, 0)).has_value());
  BOOST_TEST(server.admit(hello_of(b, 1)).has_value());
}

BOOST_AUTO_TEST_CASE(an_earlier_hello_never_takes_the_place_of_a_later_one) {
  const auto earlier = client.next(), later = client.next();
  BOOST_TEST(server.admit(hello_of(later)).has_value());
  BOOST_TEST((reason(server.admit(hello_of(earlier))) == errc::replayed_hello));
}

BOOST_AUTO_TEST_CASE(a_hello_without_the_secret_is_refused) {
  auto claim = client.next();
  claim.secret = {7};
  for (const bool introduces : {true, false}) {
    claim.introduces = introduces;
    BOOST_TEST((reason(server.admit(hello_of(claim))) == errc::bad_hello));
  }
  claim.secret = secret; // nothing of that counted
  BOOST_TEST(server.admit(hello_of(claim)).has_value());
}

BOOST_AUTO_TEST_CASE(a_hello_never_changes_the_number_of_streams) {
  BOOST_TEST((reason(server.admit(hello_of(client.next(), 4, 5))) == errc::bad_hello));
  BOOST_TEST((reason(server.admit(hello_of(client.next(), 0, 3))) == errc::bad_hello));
  BOOST_TEST(server.admit(hello_of(client.next(), 3, 4)).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
