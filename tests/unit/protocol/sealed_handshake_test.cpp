// The machine with cryptography that protects nothing; tests/unit/tls has it with OpenSSL.

#include "protocol/sealed/handshake.hpp"
#include "tests/support/fake_crypto.hpp"
#include "tests/support/handshake_pair.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

using namespace tonel::protocol;
using namespace tonel::protocol::sealed;
using namespace std::chrono_literals;
using octets = std::vector<std::uint8_t>;

namespace {

struct pair : tonel::test::handshake_pair {
  pair() : handshake_pair(tonel::test::make_fake_crypto(1)) {}
};

bool same(const secret& a, const secret& b) { return a.value() == b.value(); }

} // namespace

BOOST_FIXTURE_TEST_SUITE(sealed_handshake_test, pair)

BOOST_AUTO_TEST_CASE(both_ends_have_the_same_secrets_after_three_flights) {
  const auto hello = open();
  BOOST_TEST(hello.at == 0u);
  const auto answer = meet(hello);
  BOOST_TEST(answer.at == 0u);
  BOOST_TEST(!last.done); // the server has no proof yet
  BOOST_TEST(!server->outcome());
  const auto finished = to_client(answer);
  BOOST_TEST(last.done);
  BOOST_TEST(finished.at == hello.octets.size());
  to_server(finished);
  BOOST_TEST(last.done);
  BOOST_TEST(last.send.empty());

  BOOST_REQUIRE(client->outcome());
  BOOST_REQUIRE(server->outcome());
  BOOST_TEST(same(client->outcome()->to_server, server->outcome()->to_server));
  BOOST_TEST(same(client->outcome()->to_client, server->outcome()->to_client));
  BOOST_TEST(!same(client->outcome()->to_server, client->outcome()->to_client));
  BOOST_TEST(client->own_control() == server->peer_control());
  BOOST_TEST(server->own_control() == client->peer_control());
  BOOST_TEST(client->own_control() == hello.octets.size() + finished.octets.size());
  BOOST_TEST(client->is_over());
  BOOST_TEST(server->is_over());
}

BOOST_AUTO_TEST_CASE(a_repeated_flight_gets_the_same_answer_octet_by_octet) {
  const auto hello = open();
  BOOST_TEST(sent(client->repeat()).octets == hello.octets);
  const auto answer = meet(hello);
  BOOST_TEST(to_server(hello).octets == answer.octets);
  const auto finished = to_client(answer);
  BOOST_TEST(last.done);
  // The server has not got it: it repeats its flight.
  const auto again = to_client(answer);
  BOOST_TEST(!last.done);
  BOOST_TEST(again.octets == finished.octets);
  BOOST_TEST(again.at == finished.at);
  to_server(finished);
  BOOST_TEST(last.done);
  // What comes once more has been answered.
  BOOST_TEST(to_server(finished).empty());
  BOOST_TEST(to_server(hello).empty());
  BOOST_TEST(!last.done);
}

BOOST_AUTO_TEST_CASE(a_flight_cut_into_pieces_is_put_together) {
  const auto hello = open();
  const auto answer = meet(hello);
  tonel::test::sealed_flight finished;
  for (std::size_t at = 0; at < answer.octets.size(); at += 50) {
    const auto end = std::min(at + 50, answer.octets.size());
    // Each piece with some of the one before, as repeats cut elsewhere have it.
    const auto from = at < 10 ? at : at - 10;
    octets piece(answer.octets.begin() + static_cast<long>(from),
                 answer.octets.begin() + static_cast<long>(end));
    finished = to_client({piece, from});
  }
  BOOST_TEST(last.done);
  to_server(finished);
  BOOST_TEST(last.done);
}

BOOST_AUTO_TEST_CASE(what_overtakes_is_held_by_the_shell) {
  const auto answer = meet(open());
  const octets head(answer.octets.begin(), answer.octets.begin() + 100);
  const octets rest(answer.octets.begin() + 100, answer.octets.end());
  to_client({rest, 100});
  BOOST_TEST(last.hold);
  to_client({head, 0});
  BOOST_TEST(!last.hold);
  const auto finished = to_client({rest, 100});
  BOOST_TEST(last.done);
  // Data that comes before the client's last flight, too.
  to_server({octets(50), finished.at + finished.octets.size()});
  BOOST_TEST(last.hold);
  BOOST_TEST((last.failed == handshake_failure::none));
}

BOOST_AUTO_TEST_CASE(data_behind_the_last_flight_is_none_of_it) {
  auto finished = to_client(meet(open()));
  const auto control = finished.at + finished.octets.size();
  finished.octets.insert(finished.octets.end(), 40, 0x17);
  to_server(finished);
  BOOST_TEST(last.done);
  BOOST_TEST(server->peer_control() == control);
  to_server({octets(40, 0x17), control});
  BOOST_TEST(!last.hold);
  BOOST_TEST(last.send.empty());
}

BOOST_AUTO_TEST_CASE(another_key_is_met_by_nothing) {
  client_key = secret{secret::octets{4}};
  BOOST_TEST(meet(open()).empty());
  BOOST_TEST(!server);
}

BOOST_AUTO_TEST_CASE(a_changed_flight_ends_the_handshake) {
  for (int end = 0; end < 2; ++end) {
    auto answer = meet(open());
    if (end == 0) {
      answer.octets[60] ^= 1;
      to_client(answer);
      BOOST_TEST(client->is_over());
    } else {
      auto finished = to_client(answer);
      finished.octets[40] ^= 1;
      const auto alert = to_server(finished);
      BOOST_TEST(unsigned{alert.octets.at(0)} == 21u);
      BOOST_TEST(server->is_over());
      BOOST_TEST(!server->outcome());
    }
    BOOST_TEST((last.failed == handshake_failure::bad_octets));
  }
  BOOST_TEST(to_server(open()).empty()); // it stays over
}

BOOST_AUTO_TEST_CASE(a_copied_first_flight_gets_an_answer_and_nothing_more) {
  const auto hello = open();
  const auto finished = to_client(meet(hello));
  to_server(finished);
  BOOST_TEST(last.done);
  // The same octets on another connection: the second flight fits the first one's alone.
  BOOST_TEST(!meet(hello).empty());
  to_server(finished);
  BOOST_TEST((last.failed == handshake_failure::bad_octets));
  BOOST_TEST(!server->outcome());
}

BOOST_AUTO_TEST_CASE(an_endless_flight_is_ended) {
  open();
  for (std::uint64_t at = 0; at < 40'000 && last.failed == handshake_failure::none; at += 100)
    to_client({octets(100, 22), at});
  BOOST_TEST(client->is_over());
  BOOST_TEST((client->deadline() == time_point::max()));
}

BOOST_AUTO_TEST_CASE(a_half_open_handshake_ends_after_its_time) {
  const auto answer = meet(open());
  BOOST_TEST((server->deadline() == start + handshake::patience));
  BOOST_TEST((server->on_timer(start + 9s).failed == handshake_failure::none));
  BOOST_TEST((server->on_timer(start + 10s).failed == handshake_failure::timed_out));
  BOOST_TEST((server->deadline() == time_point::max()));
  to_client(answer);
  BOOST_TEST((client->on_timer(start + 1h).failed == handshake_failure::none)); // it is done
}

BOOST_AUTO_TEST_CASE(the_suite_is_the_clients_choice) {
  preferred = suite::chacha20_poly1305;
  BOOST_REQUIRE(run());
  BOOST_TEST((client->outcome()->cipher == suite::chacha20_poly1305));
  BOOST_TEST((server->outcome()->cipher == suite::chacha20_poly1305));
}

BOOST_AUTO_TEST_CASE(every_failure_has_its_words) {
  for (const auto f :
       {handshake_failure::alert, handshake_failure::stranger, handshake_failure::bad_octets,
        handshake_failure::our_library, handshake_failure::too_long, handshake_failure::timed_out})
    BOOST_TEST(std::string{to_string(f)} != "unknown");
}

BOOST_AUTO_TEST_SUITE_END()
