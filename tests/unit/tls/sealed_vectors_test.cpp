// The keys, identities and records in tests/data/sealed_vectors.json, which sealed_vectors.py made
// without any of this code: both are made again, octet by octet, and opened.

#include "protocol/sealed/identity.hpp"
#include "protocol/sealed/record.hpp"
#include "tls/openssl_crypto.hpp"

#include <boost/property_tree/json_parser.hpp>
#include <boost/property_tree/ptree.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string>
#include <vector>

using namespace tonel::protocol;
using namespace tonel::protocol::sealed;

namespace {

using octets = std::vector<std::uint8_t>;
using boost::property_tree::ptree;

octets from_hex(const std::string& hex) {
  octets out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  return out;
}

octets hex_of(const ptree& tree, const char* name) { return from_hex(tree.get<std::string>(name)); }

octets copy(byte_view v) { return {v.begin(), v.end()}; }

octets numbers(unsigned first, std::size_t count) {
  octets out(count);
  for (std::size_t i = 0; i < count; ++i)
    out[i] = static_cast<std::uint8_t>(first + i * 7);
  return out;
}

template <class Array> Array array_of(const octets& from) {
  Array out{};
  BOOST_TEST_REQUIRE(from.size() == out.size());
  std::copy(from.begin(), from.end(), out.begin());
  return out;
}

struct vectors {
  std::unique_ptr<crypto> c = tonel::tls::make_openssl_crypto();
  ptree tree;
  secret key;

  vectors() {
    boost::property_tree::read_json(TONEL_TEST_DATA "/sealed_vectors.json", tree);
    BOOST_REQUIRE(c);
    const auto read = parse_key(tree.get<std::string>("key"));
    BOOST_REQUIRE(read);
    key = *read;
  }
};

/// Those of the script.
identity said_by(const ptree& vector) {
  identity out;
  auto& hello = out.hello;
  hello.introduces = vector.get<int>("introduces") != 0;
  hello.stream_index = 2;
  hello.stream_count = 3;
  hello.capabilities = 0xabcd'0002;
  hello.session = array_of<session_id>(numbers(1, 8));
  hello.counter = 0x1122'3344'5566'7788;
  hello.client_iss = {0x0102'0304};
  hello.server_iss = {0xfffe'fdfc};
  hello.keepalive = std::chrono::seconds{20};
  hello.mtu = 1'500;
  hello.secret = array_of<session_secret>(numbers(33, 16));
  out.minutes = 29'700'000;
  return out;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(sealed_vectors_test, vectors)

BOOST_AUTO_TEST_CASE(the_key_of_the_handshake_follows_from_the_tunnels) {
  BOOST_TEST(copy(key.view()) == numbers(77, 32), boost::test_tools::per_element());
  BOOST_TEST(copy(handshake_psk(*c, key).view()) == hex_of(tree, "psk_hex"),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(identities_are_what_they_should_be) {
  for (const auto& [unnamed, vector] : tree.get_child("identities")) {
    const auto wanted = hex_of(vector, "sealed_hex");
    const auto said = said_by(vector);
    const auto salt = array_of<identity_salt>(hex_of(vector, "salt_hex"));
    BOOST_TEST(seal_identity(*c, key, said, salt, wanted.size()) == wanted,
               boost::test_tools::per_element());
    const auto opened = open_identity(*c, key, wanted);
    BOOST_REQUIRE(opened);
    BOOST_TEST((opened->hello.session == said.hello.session));
    BOOST_TEST((opened->hello.secret == said.hello.secret));
    BOOST_TEST(opened->hello.counter == said.hello.counter);
    BOOST_TEST(opened->hello.introduces == said.hello.introduces);
    BOOST_TEST(opened->minutes == said.minutes);
  }
}

BOOST_AUTO_TEST_CASE(records_are_what_they_should_be) {
  std::size_t count = 0;
  for (const auto& [unnamed, vector] : tree.get_child("records")) {
    const auto name = vector.get<std::string>("name");
    const auto s = static_cast<suite>(vector.get<unsigned>("suite"));
    const secret exported{array_of<secret::octets>(hex_of(vector, "exported_hex"))};
    const auto position = std::stoull(vector.get<std::string>("position"));
    const auto type = static_cast<inner_type>(vector.get<unsigned>("type"));
    const auto content = hex_of(vector, "content_hex");
    const auto wanted = hex_of(vector, "record_hex");

    octets record(content.size() + record_overhead);
    BOOST_TEST(sealer(*c, exported, s).seal(position, type, content, record), name);
    BOOST_TEST(record == wanted, name);

    opener in{*c, exported, s};
    octets out(wanted.size());
    // A stream comes to a late epoch through all before it.
    for (auto epoch = std::uint64_t{1} << 32; epoch < position; epoch += std::uint64_t{1} << 32) {
      octets step(record_overhead);
      const auto at = epoch | 1;
      if (at >= position) break;
      BOOST_REQUIRE(sealer(*c, exported, s).seal(at, inner_type::datagram, {}, step));
      octets nothing(step.size());
      BOOST_REQUIRE((in.open(at, step, nothing).what == found_as::datagrams));
    }
    const auto opened = in.open(position, wanted, out);
    BOOST_TEST(
        (opened.what == (type == inner_type::control ? found_as::control : found_as::datagrams)),
        name);
    out.resize(opened.length);
    BOOST_TEST(out == content, name);
    ++count;
  }
  BOOST_TEST(count == 14u);
}

BOOST_AUTO_TEST_SUITE_END()
