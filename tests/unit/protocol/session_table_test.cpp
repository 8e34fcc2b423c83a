// What docs/wire.md says that a session does, held against both machines.

#include "tests/unit/protocol/session_script.hpp"

#include <boost/test/unit_test.hpp>

#include <cctype>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

using namespace tonel::protocol;
using namespace tonel::test;
using namespace tonel::test::session_script;

namespace {

/// One row: a report, and what either end does about it.
struct table_row {
  std::string client, server;
};

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(' '), last = text.find_last_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

std::map<std::string, table_row> table_of_the_document() {
  std::ifstream in{TONEL_DOCS "/wire.md"};
  std::map<std::string, table_row> out;
  bool here = false;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("## ", 0) == 0) here = line.find("What a session does") != std::string::npos;
    if (!here || line.rfind("| ", 0) != 0) continue;
    std::vector<std::string> cells;
    for (std::size_t at = 1, bar = 0; (bar = line.find('|', at)) != std::string::npos; at = bar + 1)
      cells.push_back(trimmed(line.substr(at, bar - at)));
    BOOST_REQUIRE_MESSAGE(cells.size() == 3, line);
    if (cells[0] != "report") out[cells[0]] = {cells[1], cells[2]};
  }
  return out;
}

/// The figures of a sentence that have a unit of time, in order.
std::vector<duration> times_in(const std::string& text) {
  static const std::map<std::string, duration> units{{"ms", 1ms}, {"s", 1s}, {"h", 1h}};
  std::vector<duration> out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (std::isdigit(static_cast<unsigned char>(text[at])) == 0) continue;
    std::size_t digits = 0;
    const auto value = std::stol(text.substr(at), &digits);
    at += digits;
    auto end = at + 1;
    while (end < text.size() && std::isalpha(static_cast<unsigned char>(text[end])) != 0)
      ++end;
    const auto unit = units.find(at < text.size() ? text.substr(at + 1, end - at - 1) : "");
    if (unit != units.end()) out.push_back(value * unit->second);
  }
  return out;
}

/// The document says so, and it is so.
void holds(const std::string& text, const std::string& phrase, bool is_so) {
  BOOST_TEST(text.find(phrase) != std::string::npos, text << " does not say: " << phrase);
  BOOST_TEST(is_so, phrase);
}

/// With as many streams, which carry datagrams.
void serve(server_script& s, std::uint8_t streams) {
  for (std::uint8_t i = 0; i < streams; ++i)
    s.join(i);
  s.report(kind::sink_wanted, 1);
}

/// What a stream itself reports of this effect; it has carried a datagram `ago` before the end.
bool is_recent(duration ago) {
  stream_config config;
  config.tuple = {{ip_address::v4(198, 51, 100, 1), 1}, remote};
  auto of = stream::connect(config);
  (void)of.open(start);
  const auto told = report_of(tonel::protocol::ended{}, 1, of, of.last_datagram() + ago);
  return told && told->recent;
}

using check = std::function<void(const table_row&)>;

const std::map<std::string, check> checks{
    {"`opened`",
     [](const table_row& row) {
       client_script s;
       s.start();
       s.after(250ms);
       const auto said = s.report(kind::opened, 1);
       holds(row.client, "other ports' attempts end without a packet",
             said.find("reset 2") != std::string::npos);
       holds(row.client, "48 KiB of what waited go to it",
             said.find("announce 1 with little room") != std::string::npos);
       client_script other;
       other.stand();
       other.report(kind::silent, 1);
       holds(row.client, "where no stream stands in its place",
             other.report(kind::opened, 2).empty());
     }},
    {"`greeted`",
     [](const table_row& row) {
       client_script s;
       s.stand();
       s.report(kind::silent, 1);
       const auto said = s.greet(2);
       holds(row.client, "the stream before it is superseded",
             said == "supersede 1, announce 2, works");
       holds(row.client, "all that waited goes", said.find("room") == std::string::npos);
       client_script hops;
       hops.start({remote, elsewhere});
       hops.greet(1);
       hops.report(kind::silent, 1);
       hops.after(250ms);
       hops.report(kind::opened, 3);
       hops.end(3, end_reason::reset, true);
       hops.after(0s);
       holds(row.client, "closed if another server has the session now",
             hops.greet(4).find("close 1") == 0);
     }},
    {"`try_new_port`",
     [](const table_row& row) {
       client_script s;
       s.races = false;
       s.start();
       const auto first = s.opened_last;
       holds(row.client, "the same once more on another port",
             s.report(kind::try_new_port, 1) == "open 2" && *first.port != *s.opened_last.port);
       holds(row.client, "the machine of the second port (`last_port`)",
             s.opened_last.config.last_port && !first.config.last_port);
     }},
    {"`went_silent`",
     [](const table_row& row) {
       client_script s{2};
       s.stand();
       s.races = false;
       const auto said = s.report(kind::silent, 1);
       holds(row.client, "opens a replacement, keeps the stream", said == "announce 2, open 3");
       holds(row.client, "datagrams go to its fellows", said.find("announce 2") == 0);
       server_script server{2};
       serve(server, 2);
       holds(row.server, "datagrams go to its fellows",
             server.report(kind::silent, 1) == "announce 2");
     }},
    {"`went_silent`, only worn",
     [](const table_row& row) {
       client_script s;
       s.stand();
       holds(row.client, "else nothing", s.report(kind::worn, 1).empty());
       client_session_config config;
       config.wire = profile::tonel;
       client_script older{config};
       older.start();
       auto opened = report(kind::opened, 1);
       opened.wire = profile::tonel;
       opened.token = 7;
       older.report(opened);
       opened.what = kind::greeted;
       older.report(opened);
       holds(row.client, "a replacement where it can join the group",
             older.report(kind::worn, 1) == "open 2 as tonel joining 7");
       server_script server;
       serve(server, 1);
       holds(row.server, "goes on sending", server.report(kind::worn, 1) == "announce 1");
     }},
    {"`recovered`",
     [](const table_row& row) {
       client_script s;
       s.stand();
       s.report(kind::silent, 1);
       holds(row.client, "the stream is kept until its replacement is open",
             s.report(kind::recovered, 1) == "announce 1, works" &&
                 s.greet(2) == "supersede 1, announce 2");
       client_script hops;
       hops.start({remote, elsewhere});
       hops.greet(1);
       hops.report(kind::silent, 1);
       hops.after(250ms);
       holds(row.client, "replacements at other servers end",
             hops.report(kind::recovered, 1) == "announce 1, works, reset 3, reset 2");
       server_script server{2};
       serve(server, 2);
       server.report(kind::silent, 1);
       holds(row.server, "it takes datagrams again",
             server.report(kind::recovered, 1) == "announce 1 2");
     }},
    {"`ended`: reset, dead",
     [](const table_row& row) {
       const auto recent = times_in(row.client).at(0);
       holds(row.client, "if a datagram passed in the last",
             is_recent(recent) && !is_recent(recent + 1ns));
       client_script s;
       s.stand();
       s.end(1, end_reason::reset, true);
       holds(row.client, "replaced at once", s.after(0s) == "open 2");
       client_script several{2};
       several.stand();
       several.end(1, end_reason::dead, false);
       holds(row.client, "or other streams are left", several.after(0s) == "open 3");
       client_script elsewhere{2};
       elsewhere.races = false;
       elsewhere.stand();
       elsewhere.end(1, end_reason::dead);
       elsewhere.after(0s);
       elsewhere.end(3, end_reason::reset);
       holds(row.client, "a join that was refused while others carry the session by another port",
             elsewhere.after(0s) == "open 4" && !elsewhere.opened_last.config.session.introduces);
       client_script idle;
       idle.stand();
       idle.end(1, end_reason::reset, false);
       const bool waited = idle.after(1s).empty();
       idle.want();
       holds(row.client, "else at the next one", waited && idle.after(0s) == "open 2");
       server_script server;
       serve(server, 1);
       server.end(1, end_reason::reset);
       holds(row.server, "waits for the client, as long as a session may be idle",
             server.due() == duration{server_session_config{}.idle_timeout});
     }},
    {"`ended`: refused, timed out",
     [](const table_row& row) {
       const auto times = times_in(row.client);
       BOOST_REQUIRE(times.size() == 5u);
       client_script s;
       s.stand();
       s.races = false;
       s.end(1, end_reason::dead, true);
       s.after(0s);
       std::vector<duration> waits;
       std::string last;
       const auto since = s.now;
       for (stream_number n = 2; n < 30 && last.empty(); ++n) {
         last = s.end(n, end_reason::refused);
         if (last == "failing: refused") last.clear();
         const auto failed_at = s.now;
         while (last.empty() && s.opened_last.stream == n)
           s.after(*s.due());
         if (last.empty()) waits.push_back(s.now - failed_at);
       }
       BOOST_REQUIRE(waits.size() > 4u);
       // The end before these was the first to be followed by a wait.
       holds(row.client, "tried again after 0 ms, 200 ms", times[0] == 0ms && waits[0] == times[1]);
       holds(row.client, "twice as long each time", waits[1] == 2 * times[1]);
       holds(row.client, "given up after",
             last == "failing: refused, announce none" && s.now - since >= times[4] &&
                 s.now - since < times[4] + times[2]);
       s.want();
       const auto given_up_at = s.now;
       while (s.opened_last.stream <= waits.size() + 2)
         s.after(*s.due());
       holds(row.client, "5 s at most where it was refused", s.now - given_up_at == times[2]);
       holds(row.client, "the next datagram goes on with that", s.now > given_up_at);
     }},
    {"`ended`: closed by peer",
     [](const table_row& row) {
       client_script s{2};
       s.stand();
       s.end(1, end_reason::closed_by_peer);
       const auto wait = times_in(row.client).at(0);
       holds(row.client, "one of several is replaced after", s.due() == wait);
       client_script last;
       last.stand();
       holds(row.client, "the last stream closes the session",
             last.end(1, end_reason::closed_by_peer) == "announce none, retire");
       server_script server;
       serve(server, 1);
       holds(row.server, "the last stream closes the session",
             server.end(1, end_reason::closed_by_peer) ==
                 "announce none, retire, release upstream");
     }},
    {"`ended`: path ends TCP",
     [](const table_row& row) {
       const auto times = times_in(row.client);
       BOOST_REQUIRE(times.size() == 1u);
       client_script s;
       s.start();
       s.report(kind::opened, 1);
       const auto said = s.end(1, end_reason::path_ends_tcp);
       holds(row.client, "says so at once", said == "announce none, failing: path_ends_tcp");
       holds(row.client, "nothing is tried for",
             s.want().empty() && s.after(times[0] - 1ns).find("open") == std::string::npos);
       holds(row.client, "then it closes", s.after(1ns) == "retire");
       client_script several{2};
       several.stand();
       several.end(1, end_reason::path_ends_tcp);
       holds(row.client, "without another stream", several.after(times[0]).empty());
     }},
    {"`ended`: superseded",
     [](const table_row& row) {
       client_script s;
       s.stand();
       s.report(kind::silent, 1);
       s.greet(2);
       holds(row.client, "nothing: another has taken its place",
             s.end(1, end_reason::superseded).empty());
       server_script server;
       serve(server, 1);
       server.join(0);
       holds(row.server, "the same", server.end(1, end_reason::superseded).empty());
     }},
    {"`went_idle`",
     [](const table_row& row) {
       client_script s{2};
       s.stand();
       const bool one = s.report(kind::idle, 1).empty();
       holds(row.client, "all streams idle: closes them",
             one && s.report(kind::idle, 2) == "retire, close 1, close 2");
       server_script server{2};
       serve(server, 2);
       const bool first = server.report(kind::idle, 1).empty();
       holds(row.server, "the same",
             first && server.report(kind::idle, 2) == "retire, close 1, close 2");
     }},
    {"`forgotten`",
     [](const table_row& row) {
       client_script s;
       s.stand();
       s.end(1, end_reason::dead);
       holds(row.client, "the 4-tuple may be dropped", s.gone(1).empty());
       client_script closing;
       closing.stand();
       closing.close();
       closing.end(1, end_reason::closed_by_us);
       holds(row.client, "the last one of a closing session ends it", closing.gone(1) == "finish");
       server_script server;
       serve(server, 1);
       server.close();
       server.end(1, end_reason::closed_by_us);
       holds(row.server, "the same", server.gone(1) == "finish");
     }},
    {"none, and it is gone",
     [](const table_row& row) {
       client_script s;
       s.stand();
       const auto period = times_in(row.client).at(0);
       for (stream_number n = 1; n <= 3; ++n) {
         holds(row.client, "a fault of the program: replaced, 3 times",
               s.gone(n) == "announce none" && s.after(*s.due()).find("open") == 0);
         s.greet(n + 1);
       }
       auto later = s.now + period + 1ns;
       std::swap(s.now, later);
       const bool forgiven = s.gone(4) == "announce none";
       holds(row.client, "in 30 s", forgiven && period == 30s);
       client_script often;
       often.stand();
       for (stream_number n = 1; n <= 3; ++n) {
         often.gone(n);
         often.after(*often.due());
         often.greet(n + 1);
       }
       BOOST_TEST(often.gone(4) == "announce none, fail");
       server_script server{2};
       serve(server, 2);
       holds(row.server, "datagrams go to its fellows", server.gone(1) == "announce 2");
     }},
};

} // namespace

BOOST_AUTO_TEST_SUITE(session_table_test)

BOOST_AUTO_TEST_CASE(sessions_do_what_the_document_says_row_by_row) {
  const auto table = table_of_the_document();
  for (const auto& [report, row] : table) {
    const auto known = checks.find(report);
    BOOST_TEST_CONTEXT("the row of " << report) {
      BOOST_TEST((known != checks.end()), "nothing here checks it");
      if (known != checks.end()) known->second(row);
    }
  }
  for (const auto& [report, each] : checks)
    BOOST_TEST((table.count(report) == 1), "docs/wire.md has no row of " << report);
}

BOOST_AUTO_TEST_CASE(where_the_document_says_nothing_of_a_server_it_does_nothing) {
  for (const auto& [report, row] : table_of_the_document()) {
    if (row.server != "-") continue;
    server_script s;
    serve(s, 1);
    if (report == "`opened`") BOOST_TEST(s.report(kind::opened, 1) == "");
    if (report == "`greeted`") BOOST_TEST(s.report(kind::greeted, 1) == "");
    if (report == "`try_new_port`") BOOST_TEST(s.report(kind::try_new_port, 1) == "");
  }
}

BOOST_AUTO_TEST_SUITE_END()
