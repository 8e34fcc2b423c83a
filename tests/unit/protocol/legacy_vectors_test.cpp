// The packets of tonel 0.6.1 and phantun in tests/data/legacy_packets.json: each is parsed to the
// fields that its description states, built from them octet by octet, and those that our streams
// send are what they send.

#include "protocol/acceptor.hpp"
#include "protocol/checksum.hpp"
#include "protocol/packet.hpp"
#include "protocol/stream.hpp"
#include "protocol/wire.hpp"
#include "protocol/xor_cipher.hpp"

#include <boost/property_tree/json_parser.hpp>
#include <boost/property_tree/ptree.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>
#include <string>

using namespace tonel::protocol;

namespace {

using octets = std::vector<std::uint8_t>;

const time_point start = time_point{std::chrono::hours{3}};
constexpr std::uint8_t syn = flag::syn, ack = flag::ack, rst = flag::rst;

octets from_hex(const std::string& hex) {
  octets out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  return out;
}

octets text(const std::string& s) { return {s.begin(), s.end()}; }

const std::string client_hello = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";
const std::string server_hello = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const octets secret{0x03, 0x00, 0x15, 0x07, 0x0a}; // "hello" under xor:key

struct vector_file {
  std::map<std::string, octets> packets;
  octets xor_plain, xor_cipher;
  std::string xor_key;

  vector_file() {
    boost::property_tree::ptree tree;
    boost::property_tree::read_json(TONEL_TEST_DATA "/legacy_packets.json", tree);
    xor_key = tree.get<std::string>("xor.key");
    xor_plain = from_hex(tree.get<std::string>("xor.plain_hex"));
    xor_cipher = from_hex(tree.get<std::string>("xor.cipher_hex"));
    for (const auto& [unnamed, packet] : tree.get_child("packets"))
      packets[packet.get<std::string>("id")] = from_hex(packet.get<std::string>("hex"));
  }
};

const vector_file& vectors() {
  static const vector_file file;
  return file;
}

/// What a packet's description says.
struct stated {
  const char* id;
  std::uint8_t flags;
  std::uint32_t seq, ack;
  octets payload;
};

const std::vector<stated>& table() {
  static const std::vector<stated> rows{
      {"T4-SYN-FIRST", syn, 0, 0, {}},
      {"T4-SYN-JOIN", syn, 40'001, 0, {}},
      {"T4-SYNACK", syn | ack, 40'001, 1, {}},
      {"T4-SYNACK-JOIN", syn | ack, 40'002, 40'002, {}},
      {"T4-ACK", ack, 1, 40'002, {}},
      {"T4-ACK-JOIN", ack, 40'002, 40'003, {}},
      {"T4-HS-C", ack, 1, 40'002, text(client_hello)},
      {"T4-HS-S", ack, 40'002, 38, text(server_hello)},
      {"T4-DATA", ack, 1, 40'002, text("hello")},
      {"T4-DATA-AFTER-HS", ack, 38, 40'040, text("hello")},
      {"T4-DATA-XOR", ack, 1, 40'002, secret},
      {"T4-DATA-S", ack, 40'002, 6, text("hello")},
      {"T4-DATA-S-XOR", ack, 40'002, 6, secret},
      {"T4-DATA-EMPTY", ack, 6, 40'002, {}},
      {"T4-PROBE", ack, 0, 0, {}},
      {"T4-PROBE-REPLY", ack, 1, 0, {}},
      {"T4-RST-CLOSE", rst, 0, 0, {}},
      {"T4-RST-UNKNOWN", rst | ack, 40'002, 6, {}},
      {"T4-RST-UNKNOWN-SYN", rst | ack, 0, 0, {}},
      {"T6-SYN-FIRST", syn, 0, 0, {}},
      {"T6-SYNACK", syn | ack, 40'001, 1, {}},
      {"T6-ACK", ack, 1, 40'002, {}},
      {"T6-DATA", ack, 1, 40'002, text("hello")},
      {"T6-DATA-XOR", ack, 1, 40'002, secret},
      {"T6-RST-CLOSE", rst, 0, 0, {}},
      {"P4-SYN", syn, 0, 0, {}},
      {"P4-SYNACK", syn | ack, 0, 1, {}},
      {"P4-ACK", ack, 1, 1, {}},
      {"P4-DATA", ack, 1, 1, text("hello")},
      {"P4-RST-CLOSE", rst, 6, 0, {}},
      {"P4-RST-BADSYN", rst | ack, 0, 40'002, {}},
      {"P4-PROBE-ANSWER", ack, 1, 0, {}},
  };
  return rows;
}

segment_repr parsed(const octets& packet) {
  const auto out = parse_packet(packet, {});
  BOOST_REQUIRE_MESSAGE(out, "parsed");
  BOOST_REQUIRE(std::get_if<segment_repr>(&*out));
  return std::get<segment_repr>(*out);
}

octets built(segment_header h, const octets& payload) {
  h.ip_id = 0; // ours counts, theirs does not
  octets out(h.size());
  write_partial_header(out, h, payload.size());
  finish_checksum(out, inet_checksum{}.add(payload));
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

/// What a stream sends, packet by packet.
std::vector<octets> sent(const effects& list) {
  std::vector<octets> out;
  for (const auto& e : list)
    if (const auto* s = std::get_if<send_segment>(&e))
      out.push_back(built(s->header, {s->payload.begin(), s->payload.end()}));
  return out;
}

/// A stream whose packets go out from where those of the vector did.
stream_config config_like(const char* id, profile wire) {
  const auto like = parsed(vectors().packets.at(id));
  stream_config c;
  c.tuple = {like.tuple.remote, like.tuple.local};
  c.wire = wire;
  return c;
}

effects give(stream& to, const char* id) {
  const auto& packet = vectors().packets.at(id);
  auto in = parsed(packet);
  // The vectors are before NAT: to the stream, the packet comes from the peer that it knows.
  const byte_view payload = byte_view{packet}.subview(in.payload_offset);
  return to.on_segment(in, payload, start);
}

void check_sent(const effects& list, std::initializer_list<const char*> ids) {
  const auto packets = sent(list);
  BOOST_REQUIRE(packets.size() == ids.size());
  std::size_t i = 0;
  for (const auto* id : ids) {
    BOOST_TEST_CONTEXT(id)
    BOOST_TEST(packets[i++] == vectors().packets.at(id), boost::test_tools::per_element());
  }
}

octets data_of(stream& from, const octets& payload) {
  const auto size = static_cast<std::uint32_t>(payload.size());
  BOOST_REQUIRE(from.admit(size, 1, start) == 1u);
  return built(from.data_header(size, 1, true, start), payload);
}

} // namespace

BOOST_AUTO_TEST_SUITE(legacy_vectors_test)

BOOST_AUTO_TEST_CASE(there_are_32_and_each_is_in_the_table) {
  BOOST_TEST(vectors().packets.size() == 32u);
  BOOST_TEST(table().size() == 32u);
  for (const auto& row : table())
    BOOST_TEST(vectors().packets.count(row.id) == 1u, row.id);
}

BOOST_AUTO_TEST_CASE(each_is_parsed_to_what_is_stated) {
  for (const auto& row : table()) {
    BOOST_TEST_CONTEXT(row.id) {
      const auto& packet = vectors().packets.at(row.id);
      const auto in = parsed(packet);
      BOOST_TEST(in.flags == row.flags);
      BOOST_TEST(in.seq.raw == row.seq);
      BOOST_TEST(in.ack.raw == row.ack);
      BOOST_TEST(in.window == 65'535u);
      BOOST_TEST(in.mss == 0u);
      BOOST_TEST(!in.sack_permitted);
      BOOST_TEST(in.window_scale == (in.has(syn) ? 14 : -1));
      const octets payload(packet.begin() + in.payload_offset, packet.end());
      BOOST_TEST(payload == row.payload, boost::test_tools::per_element());
      BOOST_TEST(is_legacy_syn(in) == ((row.flags & syn) != 0));
    }
  }
}

BOOST_AUTO_TEST_CASE(each_is_built_octet_by_octet) {
  for (const auto& row : table()) {
    BOOST_TEST_CONTEXT(row.id) {
      const auto& packet = vectors().packets.at(row.id);
      const auto in = parsed(packet);
      segment_header h;
      h.tuple = {in.tuple.remote, in.tuple.local};
      h.seq = {row.seq};
      h.ack = {row.ack};
      h.flags = row.flags;
      BOOST_TEST(built(h, row.payload) == packet, boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_client_of_tonel_sends_them) {
  for (const bool v6 : {false, true}) {
    auto s = stream::connect(config_like(v6 ? "T6-SYN-FIRST" : "T4-SYN-FIRST", profile::legacy));
    check_sent(s.open(start), {v6 ? "T6-SYN-FIRST" : "T4-SYN-FIRST"});
    const auto established = give(s, v6 ? "T6-SYNACK" : "T4-SYNACK");
    BOOST_TEST(sent(established).at(0) == vectors().packets.at(v6 ? "T6-ACK" : "T4-ACK"));
    if (!v6) BOOST_TEST(sent(established).at(1) == vectors().packets.at("T4-PROBE"));
    BOOST_TEST(s.group_token() == 40'001u);
    if (v6) continue;
    give(s, "T4-PROBE-REPLY");
    BOOST_TEST(s.is_open());
    BOOST_TEST(data_of(s, text("hello")) == vectors().packets.at("T4-DATA"));
    BOOST_TEST(data_of(s, {}) == vectors().packets.at("T4-DATA-EMPTY"));
  }
}

BOOST_AUTO_TEST_CASE(a_further_stream_of_the_client_joins) {
  auto config = config_like("T4-SYN-JOIN", profile::tonel);
  config.join_token = 40'001;
  auto s = stream::connect(config);
  check_sent(s.open(start), {"T4-SYN-JOIN"});
  BOOST_TEST(sent(give(s, "T4-SYNACK-JOIN")).at(0) == vectors().packets.at("T4-ACK-JOIN"));
  BOOST_TEST(s.group_token() == 0u);
}

BOOST_AUTO_TEST_CASE(with_a_handshake_packet_it_comes_first_and_raw) {
  auto config = config_like("T4-SYN-FIRST", profile::tonel);
  config.handshake_packet = std::make_shared<octets>(text(client_hello));
  auto s = stream::connect(config);
  s.open(start);
  check_sent(give(s, "T4-SYNACK"), {"T4-ACK", "T4-HS-C"});
  BOOST_TEST(!s.is_open());
  const auto opened_by = give(s, "T4-HS-S");
  BOOST_TEST(opened_by.find<deliver>() == nullptr);
  BOOST_TEST(s.is_open());
  BOOST_TEST(data_of(s, text("hello")) == vectors().packets.at("T4-DATA-AFTER-HS"));
}

BOOST_AUTO_TEST_CASE(a_client_of_phantun_sends_them) {
  auto s = stream::connect(config_like("P4-SYN", profile::legacy));
  check_sent(s.open(start), {"P4-SYN"});
  check_sent(give(s, "P4-SYNACK"), {"P4-ACK", "P4-ACK", "T4-PROBE"}); // ours goes twice
  BOOST_TEST((s.wire() == profile::phantun));
  BOOST_TEST(s.group_token() == 0u);
  BOOST_TEST(data_of(s, text("hello")) == vectors().packets.at("P4-DATA"));
}

BOOST_AUTO_TEST_CASE(a_server_sends_them) {
  auto config = config_like("T4-DATA-S", profile::legacy);
  config.iss = {40'001};
  auto s = stream::accept_legacy(config, {0}, start);
  BOOST_TEST(give(s, "T4-ACK").empty());
  BOOST_REQUIRE(give(s, "T4-DATA").find<deliver>());
  check_sent(give(s, "T4-PROBE"), {"T4-PROBE-REPLY"});
  BOOST_TEST(data_of(s, text("hello")) == vectors().packets.at("T4-DATA-S"));

  config.handshake_packet = std::make_shared<octets>(text(server_hello));
  auto with_packet = stream::accept_legacy(config, {0}, start);
  const auto late = give(with_packet, "T4-HS-C");
  BOOST_TEST(late.find<deliver>() == nullptr);
  BOOST_TEST(sent(late).size() == 1u);
}

BOOST_AUTO_TEST_CASE(the_cipher_is_theirs) {
  const xor_cipher cipher{vectors().xor_key};
  auto datagram = vectors().xor_plain;
  cipher.apply(datagram, static_cast<std::uint32_t>(datagram.size()));
  BOOST_TEST(datagram == vectors().xor_cipher);
  BOOST_TEST(datagram == secret);
}

BOOST_AUTO_TEST_SUITE_END()
