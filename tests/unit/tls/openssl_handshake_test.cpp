#include "protocol/sealed/handshake.hpp"
#include "tests/support/handshake_pair.hpp"
#include "tls/openssl_crypto.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <set>
#include <string>

using namespace tonel::protocol;
using namespace tonel::protocol::sealed;
using octets = std::vector<std::uint8_t>;

namespace {

struct pair : tonel::test::handshake_pair {
  pair() : handshake_pair(tonel::tls::make_openssl_crypto()) { BOOST_REQUIRE(c); }
};

bool same(const secret& a, const secret& b) { return a.value() == b.value(); }

bool contains(const octets& all, const std::string& text) {
  return std::search(all.begin(), all.end(), text.begin(), text.end()) != all.end();
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(openssl_handshake_test, pair)

BOOST_AUTO_TEST_CASE(both_ends_have_the_same_secrets_and_each_handshake_others) {
  BOOST_REQUIRE(run());
  const auto first = *client->outcome();
  BOOST_TEST(same(first.to_server, server->outcome()->to_server));
  BOOST_TEST(same(first.to_client, server->outcome()->to_client));
  BOOST_TEST(!same(first.to_server, first.to_client));
  BOOST_TEST((first.cipher == suite::aes_128_gcm));
  BOOST_TEST((server->outcome()->cipher == suite::aes_128_gcm));
  BOOST_REQUIRE(run());
  BOOST_TEST(!same(first.to_server, client->outcome()->to_server));
}

BOOST_AUTO_TEST_CASE(datagrams_pass_both_ways_afterwards) {
  for (const auto s : {suite::aes_128_gcm, suite::chacha20_poly1305}) {
    preferred = s;
    BOOST_REQUIRE(run());
    BOOST_TEST((server->outcome()->cipher == s));
    sealer out{*c, client->outcome()->to_server, client->outcome()->cipher};
    opener in{*c, server->outcome()->to_server, server->outcome()->cipher};
    const octets content(1'200, 0x42);
    octets wire(content.size() + record_overhead);
    BOOST_REQUIRE(out.seal(client->own_control(), inner_type::datagram, content, wire));
    octets opened(wire.size());
    BOOST_TEST((in.open(server->peer_control(), wire, opened).what == found_as::datagrams));
    opened.resize(content.size());
    BOOST_TEST(opened == content);
  }
}

BOOST_AUTO_TEST_CASE(each_flight_fits_into_one_segment_of_any_path) {
  for (const auto length : {min_identity, std::size_t{120}, max_identity}) {
    identity_length = length;
    const auto hello = open();
    const auto answer = meet(hello);
    const auto finished = to_client(answer);
    BOOST_TEST_MESSAGE("flights of " << hello.octets.size() << ", " << answer.octets.size()
                                     << " and " << finished.octets.size() << " octets");
    BOOST_TEST(hello.octets.size() <= 576u);
    BOOST_TEST(answer.octets.size() <= 300u);
    BOOST_TEST(finished.octets.size() <= 100u);
  }
}

BOOST_AUTO_TEST_CASE(the_first_flight_says_what_a_browsers_does) {
  const auto with_name = open().octets;
  BOOST_TEST(contains(with_name, "www.example.com"));
  BOOST_TEST(contains(with_name, "\x02h2\x08http/1.1"));
  server_name.clear();
  const auto without = open().octets;
  BOOST_TEST(!contains(without, "www.example.com"));
  BOOST_TEST(without.size() + server_name.size() < with_name.size());
  BOOST_TEST(!meet(open()).empty());
}

BOOST_AUTO_TEST_CASE(a_repeated_flight_is_the_same_octet_by_octet) {
  const auto hello = open();
  BOOST_TEST(sent(client->repeat()).octets == hello.octets);
  const auto answer = meet(hello);
  BOOST_TEST(to_server(hello).octets == answer.octets);
  const auto finished = to_client(answer);
  BOOST_TEST(to_client(answer).octets == finished.octets);
  to_server(finished);
  BOOST_TEST(last.done);
}

BOOST_AUTO_TEST_CASE(flights_in_pieces_and_data_behind_them_are_no_matter) {
  const auto hello = open();
  const auto answer = meet(hello);
  tonel::test::sealed_flight finished;
  for (std::size_t at = 0; at < answer.octets.size(); ++at)
    finished = to_client({{answer.octets[at]}, at});
  BOOST_TEST(last.done);
  BOOST_TEST(client->peer_control() == answer.octets.size());
  const auto control = finished.at + finished.octets.size();
  finished.octets.insert(finished.octets.end(), {0x17, 3, 3, 0, 20, 1, 2, 3});
  to_server(finished);
  BOOST_TEST(last.done);
  BOOST_TEST(server->peer_control() == control);
}

BOOST_AUTO_TEST_CASE(a_copied_first_flight_gets_an_answer_and_nothing_more) {
  const auto hello = open();
  const auto finished = to_client(meet(hello));
  BOOST_TEST(!meet(hello).empty());
  const auto alert = to_server(finished);
  BOOST_TEST((last.failed == handshake_failure::bad_octets));
  BOOST_TEST(!alert.empty());
  BOOST_TEST(!server->outcome());
}

BOOST_AUTO_TEST_CASE(no_changed_octet_of_a_flight_is_taken) {
  const auto hello = open();
  const auto answer = meet(hello);
  for (std::size_t at = 0; at < hello.octets.size(); ++at) {
    auto changed = hello;
    changed.octets[at] ^= 0x10;
    server.reset();
    const auto reply = meet(changed);
    // The version of the record alone is nobody's matter (RFC 8446 §5.1).
    if (at == 1 || at == 2) continue;
    const bool taken = server && !reply.empty() && unsigned{reply.octets[0]} == 22;
    BOOST_TEST(!taken, "octet " << at);
  }
  for (std::size_t at = 0; at < answer.octets.size(); at += 3) {
    auto changed = answer;
    changed.octets[at] ^= 0x10;
    open();
    to_client(changed);
    BOOST_TEST(!client->outcome());
  }
}

BOOST_AUTO_TEST_CASE(another_key_is_no_session) {
  client_key = secret{secret::octets{4}};
  BOOST_TEST(meet(open()).empty());
  BOOST_TEST(!server);
  // Nor where the identity is known and the key of the handshake is not.
  const auto hello = open();
  server =
      handshake::accept(*c, server_keys[0].key, parse_client_hello(hello.octets)->identity, start);
  const auto alert = to_server(hello);
  BOOST_TEST(unsigned{alert.octets.at(0)} == 21u);
  BOOST_TEST((last.failed == handshake_failure::bad_octets));
  to_client(alert);
  BOOST_TEST((last.failed == handshake_failure::alert));
}

BOOST_AUTO_TEST_CASE(what_is_no_tls_ends_a_client) {
  open();
  const std::string text = "HTTP/1.1 400 Bad Request\r\n\r\n";
  to_client({{text.begin(), text.end()}, 0});
  BOOST_TEST((last.failed == handshake_failure::bad_octets));
}

BOOST_AUTO_TEST_CASE(no_octet_of_ours_is_constant_in_many_first_flights) {
  // Each octet of the random, the session id and the key share comes from OpenSSL; of the identity
  // from its salt. What stays is what every client of OpenSSL says.
  const auto one = open().octets;
  const auto identity = parse_client_hello(one)->identity;
  const auto from = static_cast<std::size_t>(identity.data() - one.data());
  std::vector<std::set<std::uint8_t>> seen(one.size());
  for (std::uint8_t i = 0; i < 200; ++i) {
    client = handshake::connect(*c, client_key,
                                seal_identity(*c, client_key, said, {i, 77}, identity_length),
                                server_name, preferred, start);
    const auto flight = sent(client->open()).octets;
    BOOST_TEST_REQUIRE(flight.size() == one.size());
    for (std::size_t at = 0; at < flight.size(); ++at)
      seen[at].insert(flight[at]);
  }
  for (std::size_t at = from + 16; at < from + identity.size(); ++at)
    BOOST_TEST(seen[at].size() > 50u, "octet " << at);
  for (std::size_t at = one.size() - 32; at < one.size(); ++at) // the binder
    BOOST_TEST(seen[at].size() > 50u, "octet " << at);
}

BOOST_AUTO_TEST_SUITE_END()
