#include "actors/messages/status.hpp"
#include "actors/operations/status_collector.hpp"
#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/send.hpp>

#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>

using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

/// Makes an asker of status do something.
struct poke {
  std::function<void(actors::status_collector&)> what;
};

} // namespace

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(poke)

namespace {

/// What the askers of a process have come to.
struct seen {
  std::vector<caf::actor> askers;
  actors::part_table parts;
  std::optional<actors::status_snapshot> snapshot;
  std::optional<bool> closed;
  std::vector<caf::actor> host_asked; ///< and not answered by itself
};

struct asker_state {
  static inline const char* name = "asker";
  explicit asker_state(actors::pinned<asker_state>* owner) : self(owner) {}
  void arm() { self->arm(collector->next_deadline()); }
  actors::pinned<asker_state>* self;
  std::unique_ptr<actors::status_collector> collector;
};

caf::behavior asker(actors::pinned<asker_state>* self, seen* out, std::size_t shards) {
  auto& st = self->state;
  st.collector = std::make_unique<actors::status_collector>(
      *self, shards, [out](const caf::actor& who) { out->host_asked.push_back(who); });
  return {
      [&st](const actors::peers_changed& p) { st.collector->set_shards(p.supervisors); },
      [&st](const actors::shard_status& s) { st.collector->take(s); },
      [&st](actors::session_status& s) { st.collector->take(std::move(s)); },
      [&st](const actors::session_closed& c) { st.collector->take(c); },
      [out](const actors::part_status& p) { out->parts[p.part] = p; },
      [&st](const actors::host_answer& h) { st.collector->take(h); },
      [](const actors::reload_done&) {},
      [&st](actors::timer_event) {
        st.collector->on_timer();
        st.arm();
      },
      [&st](const poke& p) {
        p.what(*st.collector);
        st.arm();
      },
  };
}

struct asking_world {
  explicit asking_world(std::size_t shards = 1, const world_options& options = {})
      : w([this, shards, options] {
          auto o = options;
          o.client_shards = shards;
          o.client_services = [this, shards](actors::reactor& loop) {
            return std::vector<actors::service>{{"asker", [this, shards, &loop](const caf::actor&) {
                                                   out.askers.push_back(
                                                       loop.spawn(asker, &out, shards));
                                                   return out.askers.back();
                                                 }}};
          };
          return o;
        }()) {}
  void tell(std::function<void(actors::status_collector&)> what) {
    caf::anon_send(out.askers.back(), poke{std::move(what)});
    w.run();
  }
  actors::status_snapshot ask(std::size_t sessions, std::uint64_t after = 0) {
    out.snapshot.reset();
    tell([=](auto& c) {
      c.ask(sessions, after, [this](actors::status_snapshot s) { out.snapshot = std::move(s); });
    });
    BOOST_TEST_REQUIRE(out.snapshot.has_value());
    return *out.snapshot;
  }
  void ask_all() {
    out.snapshot.reset();
    tell([this](auto& c) {
      c.ask_all([this](actors::status_snapshot s) { out.snapshot = std::move(s); });
    });
  }
  seen out;
  world w;
};

actors::process_facts facts_of(const std::vector<const actors::counters*>& counts) {
  actors::process_facts facts;
  facts.program = "tonelc";
  facts.version = "1.2.3";
  facts.tun = "t\"0";
  facts.started = std::chrono::system_clock::now();
  facts.began = protocol::time_point{90s};
  facts.options = {{"mtu", "1500"}, {"log-output", "\xff"}};
  facts.counts = counts;
  return facts;
}

} // namespace

BOOST_AUTO_TEST_SUITE(status_test)

BOOST_AUTO_TEST_CASE(all_shards_and_their_sessions_are_told) {
  asking_world a{2};
  for (std::uint16_t port = 5001; port < 5011; ++port) {
    a.w.client().app_sends(port, "x", port % 2u);
    a.w.run();
  }
  const auto all = a.ask(100);
  BOOST_TEST(all.complete());
  BOOST_TEST(all.shards.size() == 2u);
  BOOST_TEST_REQUIRE(all.sessions.size() == 10u);
  BOOST_TEST(all.sessions.front().state == "open");
  BOOST_TEST_REQUIRE(all.sessions.front().streams.size() == 1u);
  BOOST_TEST(all.sessions.front().streams.front().state == "open");
  const auto none = a.ask(0);
  BOOST_TEST((none.complete() && none.sessions.empty()));
  BOOST_TEST(none.shards[0].sessions + none.shards[1].sessions == 10u);
  // Piece by piece: at most 3 of each shard.
  const auto piece = a.ask(3);
  BOOST_TEST((piece.complete() && piece.sessions.size() == 6u));
  std::uint64_t last = 0;
  for (const auto& s : all.sessions)
    last = std::max(last, s.session);
  BOOST_TEST(a.ask(3, last).sessions.empty());
}

BOOST_AUTO_TEST_CASE(one_session_is_closed_on_request) {
  asking_world a;
  a.w.echo(5001, "one");
  a.w.echo(5002, "two");
  const auto close = [&](std::uint64_t session) {
    a.out.closed.reset();
    a.tell([&, session](auto& c) { c.close(session, [&](bool found) { a.out.closed = found; }); });
    BOOST_TEST_REQUIRE(a.out.closed.has_value());
    return *a.out.closed;
  };
  BOOST_TEST(!close(~std::uint64_t{0}));
  BOOST_TEST(close(a.ask(1).sessions.front().session));
  a.w.pass(15s);
  BOOST_TEST(a.ask(9).sessions.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_service_that_fails_is_started_again_and_told_everything) {
  asking_world a;
  a.w.echo(5001, "before");
  BOOST_TEST(a.out.parts.at("remote").state == "resolved");
  a.out.parts.clear();
  a.tell([](auto&) { throw std::runtime_error{"provoked"}; });
  BOOST_TEST(a.out.askers.size() == 1u);
  a.w.echo(5001, "meanwhile");
  a.w.pass(1'100ms);
  BOOST_TEST(a.out.askers.size() == 2u);
  BOOST_TEST(a.out.parts.at("remote").state == "resolved");
  BOOST_TEST(a.ask(9).complete());
  // Again and again: it waits longer, and never takes the process along.
  for (int i = 0; i < 6; ++i) {
    a.tell([](auto&) { throw std::runtime_error{"provoked"}; });
    a.w.pass(61s);
  }
  BOOST_TEST(a.out.askers.size() == 8u);
  a.w.echo(5001, "after");
}

BOOST_AUTO_TEST_CASE(a_system_that_never_answers_holds_up_one_answer_for_a_second) {
  asking_world a;
  a.ask_all();
  a.w.pass(900ms);
  BOOST_TEST(!a.out.snapshot.has_value());
  a.w.pass(200ms);
  BOOST_TEST_REQUIRE(a.out.snapshot.has_value());
  BOOST_TEST(a.out.snapshot->complete());
  BOOST_TEST((a.out.snapshot->host_silent >= 1s && a.out.snapshot->host_silent < 2s));
  a.w.pass(4s);
  a.ask_all();
  BOOST_TEST_REQUIRE(a.out.snapshot.has_value());
  BOOST_TEST((a.out.snapshot->host_silent >= 5s));
  const auto text = actors::status_json(facts_of({}), {}, *a.out.snapshot);
  BOOST_TEST(text.find("\"unanswered_s\":5") != std::string::npos, text);
  BOOST_TEST(actors::metrics_text(facts_of({}), {}, *a.out.snapshot)
                 .find("\ntonel_host_unanswered_seconds 5\n") != std::string::npos);
  // Asked once, and the tunnels never noticed.
  BOOST_TEST(a.out.host_asked.size() == 1u);
  a.w.echo(5001, "x");
}

BOOST_AUTO_TEST_CASE(what_the_system_answers_is_told) {
  asking_world a;
  a.ask_all();
  BOOST_TEST_REQUIRE(a.out.host_asked.size() == 1u);
  caf::anon_send(a.out.host_asked.back(), actors::host_answer{7});
  a.w.run();
  BOOST_TEST_REQUIRE(a.out.snapshot.has_value());
  BOOST_TEST((a.out.snapshot->host.tun_drops == std::uint64_t{7}));
  BOOST_TEST((a.out.snapshot->host_silent == 0s));
  BOOST_TEST(actors::status_json(facts_of({}), {}, *a.out.snapshot).find("\"queue_drops\":7") !=
             std::string::npos);
  // Late is no reason not to ask again.
  a.ask_all();
  a.w.pass(3s);
  caf::anon_send(a.out.host_asked.back(), actors::host_answer{8});
  a.w.run();
  a.ask_all();
  BOOST_TEST(a.out.host_asked.size() == 3u);
  caf::anon_send(a.out.host_asked.back(), actors::host_answer{9});
  a.w.run();
  BOOST_TEST_REQUIRE(a.out.snapshot.has_value());
  BOOST_TEST((a.out.snapshot->host.tun_drops == std::uint64_t{9}));
}

BOOST_AUTO_TEST_CASE(rules_and_files_that_are_waited_for_are_told) {
  world_options o;
  o.client_rules = o.client_host_hangs = true;
  asking_world a{1, o};
  BOOST_TEST(a.out.parts.count("firewall") == 0u);
  a.w.echo(5001, "works");
  a.w.pass(11s);
  const auto& said = a.w.client().service.said;
  BOOST_TEST((said == std::vector<std::string>{"ready"}));
  BOOST_TEST(a.out.parts.at("firewall").state == "silent");
  a.w.client().reload({{a.w.client().tunnel()}, {}, ""});
  a.w.run();
  BOOST_TEST(a.out.parts.count("configuration") == 0u);
  a.w.pass(5'100ms);
  BOOST_TEST(a.out.parts.at("configuration").state == "silent");
  a.w.echo(5001, "works still");
  actors::status_snapshot now;
  now.at = a.w.now;
  const auto text = actors::status_json(facts_of({}), a.out.parts, now);
  BOOST_TEST(text.find(R"("configuration":{"state":"silent","detail":"not answered for 5 s"})") !=
                 std::string::npos,
             text);
  BOOST_TEST(text.find(R"("firewall":{"state":"silent","detail":"not answered for 16 s"})") !=
                 std::string::npos,
             text);
  a.w.client().host_answers();
  a.w.run();
  BOOST_TEST(a.out.parts.at("configuration").state.empty());
  BOOST_TEST(a.out.parts.at("firewall").state == "ok");
  BOOST_TEST((said == std::vector<std::string>{"ready", "reloading", "ready"}));
}

BOOST_AUTO_TEST_CASE(a_process_with_services_stops) {
  asking_world a;
  a.w.echo(5001, "x");
  a.out.askers.clear(); // or they would keep the actor
  a.w.client().signal(SIGTERM);
  a.w.pass(2s);
  BOOST_TEST(a.w.client().ended());
}

BOOST_AUTO_TEST_CASE(answers_are_json_in_utf8_whatever_the_names) {
  actors::counters counts;
  counts.add(counter::datagrams_in, 7);
  counts.add(protocol::errc::too_large, 2);
  actors::status_snapshot now;
  now.shards_asked = 1;
  now.shards.push_back({1, 0, 3, 2, 0, true, 1, 256, {}});
  now.at = protocol::time_point{100s};
  const auto text = actors::status_json(facts_of({&counts}), {}, now);
  BOOST_TEST(text.find("\"uptime_s\":10,") != std::string::npos); // whatever the wall clock says
  BOOST_TEST(text.find('\n') == std::string::npos);
  BOOST_TEST(text.find("\"t\\\"0\"") != std::string::npos);
  BOOST_TEST(text.find("\xff") == std::string::npos);
  BOOST_TEST(text.find("\"datagrams_in\":7") != std::string::npos);
  BOOST_TEST(text.find("\"dropped_too_large\":2") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_status_says_how_a_capture_is) {
  actors::counters counts;
  auto facts = facts_of({&counts});
  const auto text = [&] { return actors::status_json(facts, {}, {}); };
  BOOST_TEST(text().find("pcap") == std::string::npos); // there can be none
  sys::capture_status now;
  facts.capture = [&now] { return now; };
  BOOST_TEST(text().find(R"("pcap":{"state":"off"})") != std::string::npos);
  now = {true, "/x", 8, 900, 1000, 2, false, ""};
  BOOST_TEST(text().find(R"("pcap":{"state":"on","file":"/x","packets":8,"bytes":900,)"
                         R"("limit_bytes":1000,"lost":2})") != std::string::npos);
  now.on = false;
  now.limit_reached = true;
  now.problem = "full";
  BOOST_TEST(text().find(R"("state":"limit")") != std::string::npos);
  BOOST_TEST(text().find(R"("problem":"full")") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(metrics_have_a_type_each_and_escaped_labels) {
  actors::counters counts;
  counts.add(counter::datagrams_in, 7);
  actors::status_snapshot now;
  now.shards_asked = 1;
  const auto text = actors::metrics_text(facts_of({&counts}), {}, now);
  BOOST_TEST(text.find("tun=\"t\\\"0\"") != std::string::npos);
  BOOST_TEST(text.find("# TYPE tonel_datagrams_in_total counter\n"
                       "tonel_datagrams_in_total{shard=\"0\"} 7\n") != std::string::npos);
  BOOST_TEST(text.find("tonel_shard_up{shard=\"0\"} 0\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_list_is_cut_without_gaps) {
  actors::status_snapshot now;
  now.shards_asked = 2;
  for (const std::uint64_t id : {5, 1, 9, 2, 8, 3}) {
    actors::session_status s;
    s.session = id;
    now.sessions.push_back(s);
  }
  const auto text = actors::sessions_json(now, 3, actors::role::client);
  BOOST_TEST(text.find("\"next\":3") != std::string::npos);
  BOOST_TEST(text.find("\"session\":5") == std::string::npos);
  BOOST_TEST(actors::sessions_json(now, 7, actors::role::client).find("next") == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
