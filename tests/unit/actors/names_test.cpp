// Names of remotes and upstreams: several addresses, and names that move.

#include "actors/root/reloading.hpp"
#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <vector>

using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;
using actors::counter;
namespace flag = protocol::flag;

namespace {

protocol::endpoint server_at(std::uint8_t last) {
  return {protocol::ip_address::v4(203, 0, 113, last), 443};
}
protocol::endpoint upstream_at(std::uint8_t last) {
  return {protocol::ip_address::v4(10, 9, 9, last), 51'820};
}

/// The server's end of it.
protocol::endpoint server_end(const traced& t) {
  return t.from_client ? t.header.tuple.remote : t.header.tuple.local;
}

std::function<bool(const traced&)> all_but(const protocol::endpoint& good) {
  return [good](const traced& t) { return server_end(t) != good; };
}

/// What the files say has not changed.
void sighup(world& w) {
  actors::reload_result same;
  same.tunnels = {w.client().tunnel()};
  w.client().reload(same);
}

/// Where the last SYN went.
protocol::endpoint last_syn(const world& w) {
  return server_end(w.sent_with(flag::syn, true).back());
}

} // namespace

BOOST_AUTO_TEST_SUITE(names_test)

BOOST_AUTO_TEST_CASE(where_the_first_address_is_silent_the_second_is_used_and_remembered_by_all) {
  world_options o;
  o.client_shards = 2;
  o.client_addresses = {server_at(1), server_at(2)};
  world w{o};
  w.lose = all_but(server_at(2));
  w.echo(5001, "a");
  w.trace.clear();
  w.client().app_sends(5002, "b", 1); // another session, on another shard
  w.run();
  BOOST_TEST_REQUIRE(w.sent_with(flag::syn, true).size() == 1u);
  BOOST_TEST((last_syn(w) == server_at(2)));
}

BOOST_AUTO_TEST_CASE(a_name_is_asked_each_minute_and_the_session_moves_with_it) {
  world_options o;
  o.client_addresses = {server_at(1)};
  world w{o};
  w.echo(5001, "a");
  w.client().addresses = {server_at(2)};
  w.pass(59s);
  BOOST_TEST(w.client().resolve_calls == 1);
  w.pass(2s);
  BOOST_TEST(w.client().resolve_calls == 2);
  BOOST_TEST((last_syn(w) == server_at(2)));
  w.pass(10s);
  w.trace.clear();
  w.echo(5001, "b");
  for (const auto& t : w.trace)
    BOOST_TEST((server_end(t) == server_at(2)));
  BOOST_TEST(w.server().upstreams.size() == 1u); // the upstream has noticed nothing
  BOOST_TEST(w.client().count(counter::sessions_opened) == 1u);
}

BOOST_AUTO_TEST_CASE(at_sighup_it_is_asked_at_once) {
  world_options o;
  o.client_addresses = {server_at(1)};
  world w{o};
  w.echo(5001, "a");
  w.client().addresses = {server_at(2)};
  sighup(w);
  w.run();
  BOOST_TEST((last_syn(w) == server_at(2)));
}

BOOST_AUTO_TEST_CASE(
    when_its_address_dies_the_name_is_asked_and_datagrams_pass_within_six_seconds) {
  world_options o;
  o.client_addresses = {server_at(1)};
  world w{o};
  w.echo(5001, "a");
  w.pass(10s);
  w.client().addresses = {server_at(2)};
  w.lose = all_but(server_at(2));
  w.client().app_sends(5001, "lost");
  w.pass(6s);
  w.echo(5001, "b");
  BOOST_TEST(w.client().resolve_calls == 2);
  BOOST_TEST(w.server().upstreams.size() == 1u);
  // So it is where a session begins.
  w.client().addresses = {server_at(3)};
  w.lose = all_but(server_at(3));
  w.client().app_sends(5002, "x");
  w.pass(2s);
  w.echo(5002, "c");
}

BOOST_AUTO_TEST_CASE(a_resolver_that_hangs_or_fails_changes_nothing) {
  world w;
  w.echo(5001, "a");
  w.client().resolver_hangs = true;
  w.pass(50s);
  w.echo(5001, "b");
  w.pass(50s);
  w.echo(5001, "c");
  BOOST_TEST(w.client().resolve_calls == 2);
  world failing;
  failing.client().resolve_failures = 1'000;
  for (int minute = 0; minute < 5; ++minute) {
    failing.echo(5001, std::to_string(minute));
    failing.pass(1min);
  }
  BOOST_TEST(failing.client().count(counter::streams_opened) == 1u);
}

BOOST_AUTO_TEST_CASE(no_packet_goes_to_a_new_address_before_the_rules_know_it) {
  world_options o;
  o.client_addresses = {server_at(1)};
  o.client_rules = true;
  world w{o};
  w.echo(5001, "a");
  w.client().host_hangs = true;
  w.client().addresses = {server_at(2)};
  sighup(w);
  w.run();
  const auto& wanted = w.client().rules_made.back().plan.remotes;
  BOOST_TEST((wanted == std::vector{server_at(2), server_at(1)})); // streams are still there
  BOOST_TEST((last_syn(w) == server_at(1)));
  w.client().host_answers();
  w.run();
  BOOST_TEST((last_syn(w) == server_at(2)));
  // A host that does not answer is waited for no longer than 2 s.
  w.client().host_hangs = true;
  w.client().addresses = {server_at(3)};
  sighup(w);
  w.pass(1'900ms);
  BOOST_TEST((last_syn(w) == server_at(2)));
  w.pass(200ms);
  BOOST_TEST((last_syn(w) == server_at(3)));
  w.client().host_answers();
}

BOOST_AUTO_TEST_CASE(an_upstream_that_moves_is_followed_by_the_sessions) {
  world_options o;
  o.server_addresses = {upstream_at(1)};
  world w{o};
  w.echo(5001, "a");
  w.server().addresses = {upstream_at(2)};
  w.pass(61s);
  BOOST_TEST(w.server().resolve_calls == 2);
  BOOST_TEST_REQUIRE(w.server().upstreams.size() == 2u);
  BOOST_TEST((w.server().upstreams.back()->peer == upstream_at(2)));
  w.echo(5001, "b");
  BOOST_TEST((w.server().upstreams.back()->texts() == std::vector<std::string>{"b"}));
  BOOST_TEST(w.server().count(counter::sessions_opened) == 1u);
  BOOST_TEST(w.client().count(counter::streams_opened) == 1u); // nobody has noticed
}

BOOST_AUTO_TEST_CASE(an_upstream_that_refuses_is_asked_for_and_its_other_address_is_used) {
  world_options o;
  o.server_addresses = {upstream_at(1), upstream_at(2)};
  world w{o};
  w.client().app_sends(5001, "a");
  w.run();
  BOOST_TEST_REQUIRE(w.server().upstreams.size() == 1u);
  w.server().upstreams.back()->refuse();
  w.run();
  BOOST_TEST_REQUIRE(w.server().upstreams.size() == 2u);
  BOOST_TEST((w.server().upstreams.back()->peer == upstream_at(2)));
  w.echo(5001, "b");
  w.echo(5002, "c"); // and by whoever comes after
  BOOST_TEST((w.server().upstreams.back()->peer == upstream_at(2)));
  w.pass(6s);
  BOOST_TEST(w.server().resolve_calls == 2);
}

BOOST_AUTO_TEST_CASE(a_socket_that_cannot_be_had_leaves_the_session_where_it_is) {
  world_options o;
  o.server_addresses = {upstream_at(1)};
  world w{o};
  w.echo(5001, "a");
  w.server().addresses = {upstream_at(2)};
  w.server().instead_of_upstream = [] {
    return sys::result<std::shared_ptr<sys::datagram_socket>>{
        unexpected{sys::os_error{ENETUNREACH, "connect", "memory"}}};
  };
  w.pass(61s);
  w.echo(5001, "b");
  BOOST_TEST(w.server().upstreams.size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
