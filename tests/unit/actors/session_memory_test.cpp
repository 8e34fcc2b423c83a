#include "actors/shard/estates.hpp"
#include "actors/shard/session_memory.hpp"
#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>

#include <csignal>
#include <memory>
#include <string>

using namespace tonel;
using namespace tonel::actors;
using namespace tonel::test;
using namespace std::chrono_literals;
using protocol::session_claim;
namespace flag = protocol::flag;

namespace {

const std::string key = "0123456789abcdef 127.0.0.1:5000 127.0.0.1 0";
const protocol::endpoint server{protocol::ip_address::v4(192, 0, 2, 1), 443};

remembered_session session(std::uint8_t id, std::uint64_t counter = 5) {
  return {{{id}, {9}, counter, true}, server};
}

tunnel_config tunnel(const std::string& remote) {
  tunnel_config out;
  out.remote = {remote, 443};
  return out;
}

protocol::hello_repr hello(std::uint8_t id, std::uint8_t secret, std::uint64_t counter) {
  protocol::hello_repr h;
  h.session = {id};
  h.secret = {secret};
  h.counter = counter;
  h.introduces = true;
  h.stream_count = 1;
  h.control_length = protocol::hello_size;
  return *protocol::parse_hello(protocol::encode_hello(h, h.secret));
}

std::shared_ptr<session_memory> kept_memory() {
  auto out = std::make_shared<session_memory>(100);
  out->keep_in_file([] {});
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(session_memory_test)

BOOST_AUTO_TEST_CASE(what_is_kept_is_given_with_higher_counters_each_time) {
  session_memory m{10};
  BOOST_TEST(!m.take(key));
  m.keep(key, session(1));
  const auto first = m.take(key), second = m.take(key);
  BOOST_TEST_REQUIRE((first && second));
  BOOST_TEST((first->claim.id == protocol::session_id{1}));
  BOOST_TEST((first->claim.secret == protocol::session_secret{9}));
  BOOST_TEST((first->at == server));
  BOOST_TEST(!first->claim.introduces);
  BOOST_TEST(first->claim.counter > 1'000'000u);
  BOOST_TEST(second->claim.counter > first->claim.counter + 1'000'000);
  m.forget(key, {2}); // that of another session of the application
  BOOST_TEST(m.take(key).has_value());
  m.forget(key, {1});
  BOOST_TEST(!m.take(key));
}

BOOST_AUTO_TEST_CASE(the_newest_are_kept_where_there_are_too_many) {
  session_memory m{2};
  for (const char* each : {"a", "b", "c"})
    m.keep(each, session(1));
  BOOST_TEST(m.size() == 2u);
  BOOST_TEST(!m.take("a"));
  m.keep("b", session(2)); // once more: it is the newest now
  m.keep("d", session(1));
  BOOST_TEST(!m.take("c"));
  BOOST_TEST(m.take("b").has_value());
}

BOOST_AUTO_TEST_CASE(a_text_brings_all_to_a_later_program_and_counters_above_its_own) {
  session_memory before{10}, after{10};
  before.keep(key, session(1));
  before.keep("0123456789abcdef [fe80::1]:5000 fe80::2 3", session(2));
  before.keep("0123456789abcdef 10.0.0.1:5000 none 0", session(3));
  BOOST_TEST(after.load(before.text()));
  BOOST_TEST(after.size() == 3u);
  // The earlier one may have gone on for a while without a word.
  const auto old = before.take(key), now = after.take(key);
  BOOST_TEST((now->claim.id == old->claim.id && now->claim.secret == old->claim.secret));
  BOOST_TEST(now->claim.counter > old->claim.counter + 1'000'000);
  BOOST_TEST(session_memory{10}.load(session_memory{10}.text()));
}

BOOST_AUTO_TEST_CASE(what_is_no_such_text_is_refused_as_a_whole) {
  session_memory good{10};
  good.keep(key, session(1));
  const auto text = good.text();
  const auto with = [&](const std::string& from, const std::string& to) {
    auto out = text;
    out.replace(out.find(from), from.size(), to);
    return out;
  };
  BOOST_TEST_REQUIRE(session_memory{10}.load(text));
  const std::string line = text.substr(text.find('\n') + 1);
  std::string many = text;
  for (std::size_t i = 0; i < session_memory::most_saved; ++i)
    many += line;
  for (const auto& wrong :
       {std::string{}, std::string{"\n"}, text.substr(0, text.size() - 1), text.substr(0, 40),
        with("sessions 1", "sessions 2"), with("0123456789abcdef", "0123456789abcdeg"),
        with(":5000", ":65536"), with("127.0.0.1 0", "localhost 0"), with("127.0.0.1 0", "none -1"),
        with("192.0.2.1:443", "192.0.2.1"), with("0100000000000000", "01000000000000"),
        with("\n0123", "\n 0123"), text + "x\n", text + "\n", many,
        with(" 4294967301", " 18446744073709551615"), with(" 4294967301", " 1e3"),
        text + std::string(session_memory::most_text, 'x') + "\n",
        text + std::string(1, '\0') + "\n"}) {
    session_memory m{10};
    BOOST_TEST(!m.load(wrong), wrong.substr(0, 200));
    BOOST_TEST(m.size() == 0u);
  }
}

BOOST_AUTO_TEST_CASE(another_remote_or_application_has_another_session) {
  const auto app = process::app(5'001);
  const auto base = session_memory::key_of(tunnel("a"), app);
  BOOST_TEST(base == session_memory::key_of(tunnel("a"), app));
  BOOST_TEST(base != session_memory::key_of(tunnel("b"), app));
  BOOST_TEST(base != session_memory::key_of(tunnel("a"), process::app(5'002)));
  auto wide = tunnel("a");
  wide.streams = 2;
  BOOST_TEST(base != session_memory::key_of(wide, app));
  // A key reads back.
  session_memory m{10}, other{10};
  m.keep(base, session(1));
  BOOST_TEST(other.load(m.text()));
  BOOST_TEST(other.take(base).has_value());
}

BOOST_AUTO_TEST_CASE(each_change_is_told_and_nothing_else) {
  session_memory m{10};
  int changes = 0;
  BOOST_TEST(!m.is_kept());
  m.keep_in_file([&] { ++changes; });
  BOOST_TEST(m.is_kept());
  m.keep(key, session(1));
  BOOST_TEST(changes == 1);
  static_cast<void>(m.take(key));
  static_cast<void>(m.take("unknown"));
  m.forget("unknown", {1});
  BOOST_TEST(changes == 2);
  m.forget(key, {1});
  BOOST_TEST(changes == 3);
}

BOOST_AUTO_TEST_CASE(an_estate_is_for_the_same_client_alone_and_for_a_while) {
  const protocol::time_point t0{100s};
  const auto tunnel_of = std::make_shared<const tunnel_config>(tunnel("a"));
  const auto other = std::make_shared<const tunnel_config>(tunnel("a"));
  estates all;
  protocol::session_proof proof{hello(1, 9, 5)};
  BOOST_TEST(proof.admit(hello(1, 9, 5)).has_value());
  all.leave({1}, {tunnel_of, proof, {}, server}, t0);
  BOOST_TEST(!all.has(other, hello(1, 9, 6)));
  BOOST_TEST(!all.has(tunnel_of, hello(2, 9, 6)));
  BOOST_TEST(!all.has(tunnel_of, hello(1, 8, 6))); // of whoever knows the id alone
  BOOST_TEST(!all.has(tunnel_of, hello(1, 9, 5))); // a copy
  BOOST_TEST(!all.take(tunnel_of, hello(1, 9, 5)));
  BOOST_TEST(all.has(tunnel_of, hello(1, 9, 6)));
  BOOST_TEST(all.take(tunnel_of, hello(1, 9, 6)).has_value());
  BOOST_TEST(all.size() == 0u);
  all.leave({1}, {tunnel_of, proof, {}, server}, t0);
  BOOST_TEST((all.deadline() == t0 + 180s));
  all.expire(t0 + 179s);
  BOOST_TEST(all.size() == 1u);
  all.expire(t0 + 180s);
  BOOST_TEST(all.size() == 0u);
  BOOST_TEST(!all.deadline());
  all.leave({1}, {tunnel_of, proof, {}, server}, t0);
  all.drop(tunnel_of);
  BOOST_TEST(all.size() == 0u);
}

BOOST_AUTO_TEST_CASE(sessions_outlive_their_client_where_its_memory_does) {
  for (const bool kept : {true, false}) {
    BOOST_TEST_CONTEXT((kept ? "kept" : "lost")) {
      world_options o;
      o.streams = 2;
      if (kept) o.client_memory = kept_memory();
      world w{o};
      w.echo(5001, "a");
      w.echo(5002, "b");
      w.restart_client();
      w.echo(5001, "a again");
      w.echo(5002, "b again");
      BOOST_TEST(w.server().upstreams.size() == (kept ? 2u : 4u));
      w.restart_client();
      w.echo(5001, "a once more");
      BOOST_TEST(w.server().upstreams.size() == (kept ? 2u : 5u));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_client_that_ends_lets_its_sessions_wait_and_says_goodbye_to_no_server) {
  world_options o;
  o.client_memory = kept_memory();
  world w{o};
  w.echo(5001, "a");
  w.trace.clear();
  const auto began = w.now;
  w.client().signal(SIGTERM);
  BOOST_TEST(w.until([&] { return w.client().ended(); }, 2s));
  BOOST_TEST((w.now - began < 100ms));
  BOOST_TEST(w.sent_with(flag::fin, true).empty());
  BOOST_TEST(w.sent_with(flag::rst, true).size() == 1u);
  BOOST_TEST(w.server().count(counter::sessions_closed) == 0u);
  BOOST_TEST(w.server().count(counter::streams_ended) == 1u);
  BOOST_TEST(o.client_memory->size() == 1u);
  w.restart_client();
  w.echo(5001, "again");
  BOOST_TEST(w.server().upstreams.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_session_that_ends_is_forgotten) {
  world_options o;
  o.client_memory = kept_memory();
  o.idle_timeout = 20s;
  world w{o};
  w.echo(5001, "a");
  BOOST_TEST(o.client_memory->size() == 1u);
  w.pass(30s);
  BOOST_TEST(o.client_memory->size() == 0u);
}

BOOST_AUTO_TEST_CASE(where_the_server_was_restarted_too_the_session_is_another_one) {
  world_options o;
  o.client_memory = kept_memory();
  world w{o};
  w.echo(5001, "a");
  w.restart_server();
  w.restart_client();
  w.echo(5001, "b");
  BOOST_TEST(w.server().upstreams.size() == 1u);
  BOOST_TEST(w.server().count(protocol::errc::no_session) == 3u); // by three ports
  BOOST_TEST(o.client_memory->size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
