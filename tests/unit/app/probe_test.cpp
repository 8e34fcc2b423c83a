#include "actors/app/doctor/doctor.hpp"
#include "actors/app/doctor/doctor_target.hpp"
#include "actors/app/doctor/probe.hpp"
#include "actors/shard/opening_words.hpp"

#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <string>
#include <vector>

using namespace tonel;
using namespace tonel::actors;
using namespace tonel::actors::app;
using end = sys::connection_probe::end;
using protocol::opening_cause;

namespace {

constexpr protocol::session_secret secret{1, 2, 3};
const auto remote = protocol::endpoint{protocol::ip_address::v4(203, 0, 113, 7), 4567};

std::vector<std::uint8_t> octets(const std::string& text) { return {text.begin(), text.end()}; }

/// tonels' hello, behind a handshake packet of that size.
std::vector<std::uint8_t> hello(std::uint64_t key_mark, bool tcp_ends, std::uint32_t packet = 0,
                                const protocol::session_secret& by = secret) {
  protocol::hello_repr out;
  out.offset = packet;
  out.control_length = packet + protocol::hello_size;
  out.tcp_ends = tcp_ends;
  out.capabilities = protocol::key_capability(by, key_mark);
  out.mtu = 1500;
  std::vector<std::uint8_t> all(packet, 'x');
  const auto encoded = protocol::encode_hello(out, by);
  all.insert(all.end(), encoded.begin(), encoded.end());
  return all;
}

doctor_target running(std::vector<told_part> parts) {
  doctor_target out;
  out.running = true;
  out.parts = std::move(parts);
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(probe_test)

BOOST_AUTO_TEST_CASE(what_answers_at_the_remote_is_judged_by_what_it_says) {
  const struct {
    const char* what;
    int connect_error;
    bool greeted;
    sys::connection_probe::heard heard;
    const char* cause; ///< empty: nothing is wrong, as far as could be asked
  } table[] = {
      {"a closed port", ECONNREFUSED, false, {}, "refused"},
      {"a router that drops", ETIMEDOUT, false, {}, "no_answer"},
      {"a host that is away", EHOSTUNREACH, false, {}, "unreachable"},
      {"a firewall that prohibits", EACCES, false, {}, "unreachable"},
      {"no route", ENETUNREACH, false, {}, "no_route"},
      {"could not be greeted", 0, false, {}, ""},
      {"tonels", 0, true, {hello(0, false), end::none}, ""},
      {"tonels that closes at once", 0, true, {hello(0, false), end::closed}, ""},
      {"tonels behind a handshake packet", 0, true, {hello(0, false, 100), end::none}, ""},
      {"tonels with a key", 0, true, {hello(7, false), end::none}, "other_key"},
      {"tonels behind a proxy", 0, true, {hello(0, true), end::reset}, "path_ends_tcp"},
      {"a hello of another session", 0, true, {hello(0, false, 0, {9}), end::none}, "not_tonel"},
      {"a web server", 0, true, {octets("HTTP/1.1 400 Bad Request"), end::closed}, "not_tonel"},
      {"half a hello", 0, true, {{0x9d, 't'}, end::none}, "not_tonel"},
      {"silence", 0, true, {{}, end::none}, "mute"},
      {"a FIN", 0, true, {{}, end::closed}, "hung_up"},
      {"a RST", 0, true, {{}, end::reset}, "reset_at_hello"},
  };
  for (const auto& row : table) {
    probe_answer answer;
    answer.connect_error = row.connect_error;
    answer.greeted = row.greeted;
    answer.secret = secret;
    answer.heard = row.heard;
    const auto found = judge(answer, remote, tunnel_config{});
    BOOST_TEST((found ? protocol::to_string(found->cause) : "") == std::string{row.cause},
               row.what);
    if (found)
      BOOST_TEST(words_of(*found, tunnel_config{}).find("203.0.113.7:4567") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_stranger_is_quoted) {
  probe_answer answer;
  answer.greeted = true;
  answer.secret = secret;
  answer.heard = {octets("SSH-2.0-OpenSSH_9.2"), end::none};
  const auto found = judge(answer, remote, tunnel_config{});
  BOOST_REQUIRE(found);
  BOOST_TEST(
      words_of(*found, tunnel_config{}).find("an SSH server (it says \"SSH-2.0-OpenSSH_\")") !=
      std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_running_program_is_asked_about_each_tunnel) {
  const auto target = running({{"tunnel a", "failing", "no answer"},
                               {"tunnel b", "works", ""},
                               {"tunnel c", "untried", ""},
                               {"tunnel d", "unanswered", "none has come back"}});
  const auto level_of = [&](const char* tunnel) {
    const auto said = told_of(target, tunnel);
    return said ? static_cast<int>(said->is) : -1;
  };
  BOOST_TEST(level_of("a") == static_cast<int>(finding::level::fault));
  BOOST_TEST(told_of(target, "a")->text == "no answer");
  BOOST_TEST(level_of("b") == static_cast<int>(finding::level::fine));
  BOOST_TEST(level_of("c") == -1);
  BOOST_TEST(level_of("d") == static_cast<int>(finding::level::note));
  BOOST_TEST(level_of("") == -1);
  BOOST_TEST((told_of(running({{"tunnel", "works", ""}}), "")->is == finding::level::fine));
  // Those that are open may be idle on a way that is lost.
  const auto others = told_of(running({{"tunnel", "works", "others do not open"}}), "");
  BOOST_TEST((others->is == finding::level::fault));
  BOOST_TEST(others->text == "others do not open");
}

BOOST_AUTO_TEST_CASE(a_failing_part_of_a_running_program_is_a_fault) {
  const auto count = [](std::vector<told_part> parts) {
    std::size_t out = 0;
    for (const auto& each : diagnose(running(std::move(parts)), sys::host_facts{}))
      if (each.about == "program") {
        ++out;
        BOOST_TEST((each.is == finding::level::fault));
        BOOST_TEST(each.text == "tonelc says of its part firewall: failing: no nft");
      }
    return out;
  };
  BOOST_TEST(count({{"firewall", "failing", "no nft"}}) == 1u);
  BOOST_TEST(count({{"firewall", "ok", "nftables"}, {"tunnel", "failing", "no answer"}}) == 0u);
}

BOOST_AUTO_TEST_CASE(status_tells_the_parts) {
  const auto found = case_of_status(
      R"({"side":"client","options":{"local":"127.0.0.1:5000","remote":"10.0.0.1:4567"},)"
      R"("parts":{"tunnel":{"state":"failing","detail":"no answer"}}})");
  BOOST_REQUIRE(found);
  BOOST_REQUIRE(found->target.parts.size() == 1u);
  BOOST_TEST(found->target.parts.front().name == "tunnel");
  BOOST_TEST(found->target.parts.front().state == "failing");
  BOOST_TEST(found->target.parts.front().detail == "no answer");
}

BOOST_AUTO_TEST_SUITE_END()
