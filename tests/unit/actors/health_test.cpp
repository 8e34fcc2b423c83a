#include "actors/messages/status.hpp"
#include "actors/operations/status_collector.hpp"
#include "actors/shard/opening_words.hpp"
#include "actors/shard/tunnel_health.hpp"
#include "protocol/hello.hpp"
#include "protocol/wire.hpp"
#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;
namespace flag = protocol::flag;

namespace {

/// A TCP server that answers the SYN, and what then comes as it is told.
class tcp_server final : public stand_in {
public:
  explicit tcp_server(world& w, std::string answer, std::uint8_t end)
      : world_(w), answer_(std::move(answer)), end_(end) {}
  std::size_t connections = 0;

  void receive(const protocol::segment_repr& in, const octets& payload) override {
    if (in.has(flag::syn)) {
      ++connections;
      return say(in, protocol::seq_num{70'000'000}, flag::syn | flag::ack, {});
    }
    if (payload.empty()) return;
    auto at = protocol::seq_num{70'000'001};
    if (!answer_.empty()) say(in, at, flag::psh | flag::ack, bytes_of(answer_));
    at = at + static_cast<std::uint32_t>(answer_.size());
    if (end_ != 0) say(in, at, end_, {});
  }

private:
  void say(const protocol::segment_repr& in, protocol::seq_num seq, int flags,
           const octets& payload) {
    auto out = protocol::answer_to(in, seq, in.end(), static_cast<std::uint8_t>(flags));
    if ((flags & flag::syn) != 0) out.mss = 1'460;
    world_.answer(out, payload);
  }

  world& world_;
  std::string answer_;
  std::uint8_t end_;
};

world_options natively() {
  world_options o;
  o.wire = actors::wire_choice::native;
  return o;
}

/// For so long, a datagram each 250 ms from a port of its own, as a resolver sends them, or from one.
void send_for(world& w, protocol::duration time, bool new_ports = false) {
  std::uint16_t port = 5'001;
  for (const auto end = w.now + time; w.now < end;) {
    w.client().app_sends(new_ports ? port++ : port, "question");
    w.pass(250ms);
  }
}

actors::tunnel_summary summary(process& of, world& w) {
  auto& tunnel = of.shard(0).tunnels.at(0);
  return tunnel.health->summary(*tunnel.settings, w.now);
}

std::size_t syns(const world& w) { return w.sent_with(flag::syn, true).size(); }

} // namespace

BOOST_AUTO_TEST_SUITE(health_test)

BOOST_AUTO_TEST_CASE(each_cause_is_one_line_within_five_seconds_with_what_is_likely) {
  const struct {
    std::function<void(world&)> what_is_wrong;
    std::string cause, line;
  } table[] = {
      {[](world& w) { w.lose = [](const traced& t) { return t.from_client; }; }, "no_answer",
       "no answer from 192.168.201.2:443. Likely:"},
      {[](world& w) {
         w.server().reload({{}, {}, ""});
       },
       "refused", "192.168.201.2:443 refuses connections. Likely:"},
  };
  for (const auto& row : table) {
    world w{natively()};
    row.what_is_wrong(w);
    const log_tail log;
    send_for(w, 5s);
    BOOST_TEST(log.matching(row.line) == 1u, row.line);
    BOOST_TEST(log.matching("warning") == 1u);
    BOOST_TEST(summary(w.client(), w).state == std::string{"failing"});
    BOOST_TEST(summary(w.client(), w).cause == row.cause);
    send_for(w, 300s);
    BOOST_TEST(log.matching("warning") == 1u);
  }
}

BOOST_AUTO_TEST_CASE(what_is_not_tonels_is_named_and_asked_less_and_less) {
  const struct {
    std::string answer;
    std::uint8_t end;
    std::string line;
  } table[] = {
      {"HTTP/1.1 400 Bad Request\r\n\r\n", flag::fin | flag::ack,
       "is not tonels, a web server (it says \"HTTP/1.1 400 Bad\")"},
      {"SSH-2.0-OpenSSH_9\r\n", 0, "is not tonels, an SSH server (it says \"SSH-2.0-OpenSSH_\")"},
      {"", flag::fin | flag::ack, "closes them at the hello"},
      {"", flag::rst | flag::ack, "resets them at the hello"},
      {"", 0, "answers no hello"},
  };
  for (const auto& row : table)
    for (const bool new_ports : {false, true}) {
      world w{natively()};
      tcp_server server{w, row.answer, row.end};
      w.instead_of_server = &server;
      const log_tail log;
      send_for(w, 5s, new_ports);
      BOOST_TEST(log.matching(row.line) == 1u, row.line);
      send_for(w, 115s, new_ports);
      BOOST_TEST(log.matching("warning") == 1u, row.line);
      // Those of the first seconds try, too, where each datagram is another application's.
      BOOST_TEST(server.connections <= (new_ports ? 100u : 20u),
                 row.line << ": " << server.connections);
      BOOST_TEST(w.client().count(counter::sessions_opened) <= 30u);
      // As soon as tonels has the port the next try works.
      w.instead_of_server = nullptr;
      w.pass(31s);
      w.echo(20'001, "answered");
      BOOST_TEST(log.matching("it works: sessions to 192.168.201.2:443 open, after 2 min") == 1u);
      BOOST_TEST(summary(w.client(), w).state != std::string{"failing"});
    }
}

BOOST_AUTO_TEST_CASE(while_nobody_answers_thousands_of_applications_cost_a_few_attempts) {
  world w{natively()};
  w.server().reload({{}, {}, ""});
  w.run();
  std::uint16_t port = 5'001;
  for (int i = 0; i < 400; ++i) {
    for (int n = 0; n < 10; ++n)
      w.client().app_sends(port++, "question");
    w.pass(250ms);
  }
  const auto first = syns(w);
  w.trace.clear();
  for (int i = 0; i < 400; ++i) {
    for (int n = 0; n < 10; ++n)
      w.client().app_sends(port++, "question");
    w.pass(250ms);
  }
  BOOST_TEST(first < 1'000u);
  BOOST_TEST(syns(w) <= 30u); // in 100 s
}

BOOST_AUTO_TEST_CASE(when_it_answers_again_all_sessions_know_at_once) {
  world_options o = natively();
  o.client_shards = 2;
  world w{o};
  for (std::uint16_t n = 0; n < 4; ++n) {
    w.client().app_sends(static_cast<std::uint16_t>(5'001 + n), "open", n % 2);
    w.run();
  }
  BOOST_TEST(w.upstream_got().size() == 4u);
  w.lose = [](const traced&) { return true; };
  const auto all_send = [&] {
    for (std::uint16_t n = 0; n < 4; ++n)
      w.client().app_sends(static_cast<std::uint16_t>(5'001 + n), "x", n % 2);
  };
  for (int i = 0; i < 400; ++i) {
    all_send();
    w.pass(250ms);
  }
  w.lose = nullptr;
  const auto before = w.upstream_got().size();
  const auto answers = [&] {
    all_send();
    return w.upstream_got().size() > before;
  };
  while (!answers())
    w.pass(50ms);
  w.pass(500ms);
  all_send();
  w.run();
  std::map<std::size_t, bool> heard;
  for (const auto& upstream : w.server().upstreams)
    if (!upstream->texts().empty() && upstream->texts().back() == "x") heard[heard.size()] = true;
  BOOST_TEST(heard.size() == 4u);
}

BOOST_AUTO_TEST_CASE(different_keys_are_said_at_both_ends_though_all_opens) {
  world_options o;
  o.key = "ours";
  world w{o};
  auto other = *w.server().tunnel();
  other.cipher = std::make_shared<const protocol::xor_cipher>("theirs");
  w.server().reload({{std::make_shared<const actors::tunnel_config>(other)}, {}, ""});
  w.pass(1s);
  const log_tail log;
  w.client().app_sends(5001, "x");
  w.run();
  BOOST_TEST(log.matching("the server at 192.168.201.2:443 changes datagrams by another key") ==
             1u);
  BOOST_TEST(log.matching("the client at 192.168.200.2") == 1u);
  BOOST_TEST(summary(w.client(), w).cause == std::string{"other_key"});
  BOOST_TEST(summary(w.server(), w).state == std::string{"untried"}); // it may be a stranger
}

BOOST_AUTO_TEST_CASE(an_upstream_that_refuses_is_said_and_its_end_too) {
  world w;
  const log_tail log;
  w.client().app_sends(5001, "x");
  w.run();
  auto& upstream = *w.server().upstreams.at(0);
  upstream.memory.refused = true;
  for (int i = 0; i < 20; ++i) {
    w.client().app_sends(5001, "x");
    w.pass(500ms);
  }
  BOOST_TEST(log.matching("the upstream 10.9.9.9:51820 refuses datagrams") == 1u);
  BOOST_TEST(summary(w.server(), w).cause == std::string{"upstream_refused"});
  upstream.memory.refused = false;
  upstream.memory.push({}, bytes_of("answer"));
  w.run();
  BOOST_TEST(log.matching("the upstream 10.9.9.9:51820 answers, after") == 1u);
  BOOST_TEST(summary(w.server(), w).state == std::string{"works"});
}

BOOST_AUTO_TEST_CASE(a_tunnel_without_any_answer_is_said_once_and_is_no_failure) {
  world w;
  const log_tail log;
  send_for(w, 60s);
  BOOST_TEST(log.matching("none has come back") == 1u);
  BOOST_TEST(summary(w.client(), w).state == std::string{"unanswered"});
  w.server().upstreams.at(0)->memory.push({}, bytes_of("at last"));
  w.pass(65s);
  BOOST_TEST(log.matching("datagrams come back from 192.168.201.2:443") == 1u);
  BOOST_TEST(summary(w.client(), w).state == std::string{"works"});
}

BOOST_AUTO_TEST_CASE(icmp_says_what_a_syn_has_met) {
  const struct {
    protocol::unreachable_kind what;
    bool here;
    std::string line;
  } table[] = {
      {protocol::unreachable_kind::network, true, "this host has no route to 192.168.201.2:443"},
      {protocol::unreachable_kind::network, false, "10.1.1.1 has no route to 192.168.201.2:443"},
      {protocol::unreachable_kind::host, false, "10.1.1.1 finds nobody at 192.168.201.2:443"},
      {protocol::unreachable_kind::port, false,
       "a firewall's REJECT; TCP port 443 has to be opened"},
      {protocol::unreachable_kind::prohibited, false, "10.1.1.1 prohibits connections"},
  };
  actors::tunnel_config tunnel;
  tunnel.remote = {"192.168.201.2", 443};
  for (const auto& row : table) {
    protocol::opening_failure what;
    what.cause =
        row.here ? protocol::opening_cause::no_route : protocol::opening_cause::unreachable;
    what.remote = {protocol::ip_address::v4(192, 168, 201, 2), 443};
    what.icmp = row.what;
    what.here = row.here;
    what.from = protocol::ip_address::v4(10, 1, 1, 1);
    const auto words = actors::words_of(what, tunnel);
    BOOST_TEST(words.find(row.line) != std::string::npos, words);
  }
}

BOOST_AUTO_TEST_CASE(every_cause_has_words_of_its_own) {
  actors::tunnel_config client;
  client.remote = {"vpn.example", 443};
  std::vector<std::string> all;
  for (std::size_t i = 0; i < protocol::opening_causes; ++i) {
    protocol::opening_failure what;
    what.cause = static_cast<protocol::opening_cause>(i);
    what.remote = {protocol::ip_address::v4(192, 0, 2, 1), 443};
    all.push_back(actors::words_of(what, client));
    what.at_server = true;
    BOOST_TEST(!actors::words_of(what, client).empty());
    BOOST_TEST(!actors::words_of_end(what, client, 3min + 10s).empty());
  }
  std::sort(all.begin(), all.end());
  BOOST_TEST((std::adjacent_find(all.begin(), all.end()) == all.end()));
  protocol::opening_failure refused;
  refused.cause = protocol::opening_cause::refused;
  refused.remote = {protocol::ip_address::v4(192, 0, 2, 1), 443};
  BOOST_TEST(actors::words_of(refused, client).find("vpn.example (192.0.2.1:443) refuses") == 0u);
  BOOST_TEST(actors::words_of(refused, client).find("phantun") == std::string::npos);
  refused.was_native = true;
  BOOST_TEST(actors::words_of(refused, client).find("--wire phantun") != std::string::npos);
  protocol::opening_failure other;
  other.cause = protocol::opening_cause::not_tonel;
  const auto hello = protocol::encode_hello({}, {});
  std::copy_n(hello.begin(), other.said.size(), other.said.begin());
  other.said_size = static_cast<std::uint8_t>(other.said.size());
  BOOST_TEST(actors::words_of(other, client).find("a version") != std::string::npos);
  BOOST_TEST(actors::length_text(59s) == "59 s");
  BOOST_TEST(actors::length_text(190s) == "3 min 10 s");
  BOOST_TEST(actors::length_text(2h) == "2 h");
}

BOOST_AUTO_TEST_CASE(status_metrics_and_health_name_a_tunnel_that_is_dead) {
  actors::counters counts;
  actors::process_facts facts;
  facts.counts = {&counts};
  actors::status_snapshot now;
  now.shards_asked = 1;
  now.shards.emplace_back();
  auto& tunnels = now.shards.front().tunnels;
  tunnels.push_back({"a", "failing", "refused", "it refuses", 7s});
  tunnels.push_back({"b", "untried", "", "", 0s});
  BOOST_TEST(actors::dead_tunnel(now).value_or("") == "tunnel a: it refuses");
  const auto status = actors::status_json(facts, {}, now);
  BOOST_TEST(status.find(R"("tunnel a":{"state":"failing","detail":"for 7 s: it refuses"})") !=
                 std::string::npos,
             status);
  BOOST_TEST(status.find(R"("tunnel b":{"state":"untried","detail":""})") != std::string::npos);
  const auto metrics = actors::metrics_text(facts, {}, now);
  BOOST_TEST(metrics.find("tonel_tunnel_failing{tunnel=\"a\",cause=\"refused\"} 1\n"
                          "tonel_tunnel_failing{tunnel=\"b\",cause=\"\"} 0\n") != std::string::npos,
             metrics);
  BOOST_TEST(metrics.find("tonel_part{part=\"tunnel a\",state=\"failing\"} 1") !=
             std::string::npos);
  // One tunnel's is no reason to take the others from their clients.
  tunnels[1].state = "works";
  BOOST_TEST(!actors::dead_tunnel(now));
  tunnels = {{"", "unanswered", "no_reply", "no answer", 7s}};
  BOOST_TEST(!actors::dead_tunnel(now));
}

BOOST_AUTO_TEST_SUITE_END()
