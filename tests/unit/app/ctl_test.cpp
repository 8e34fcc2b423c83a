#include "actors/app/ctl/ctl_command.hpp"
#include "actors/app/ctl/ctl_tables.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

using namespace tonel::actors;
using namespace tonel::actors::app;
using task = ctl_command::task;
using words = std::vector<std::string>;

BOOST_AUTO_TEST_SUITE(ctl_test)

BOOST_AUTO_TEST_CASE(commands_and_their_options_are_taken_apart) {
  const auto status = parse_ctl_command({"--json", "status", "--socket", "/x"});
  BOOST_TEST(status.errors.empty());
  BOOST_TEST((status.what == task::status && status.json && status.socket == "/x"));
  BOOST_TEST(parse_ctl_command({"sessions", "--most=5"}).most == 5u);
  BOOST_TEST(parse_ctl_command({"counters", "--watch"}).watch);
  for (const words& bare : {words{}, {"--json"}, {"status"}, {"--all"}, {"status", "--all"}}) {
    const auto got = parse_ctl_command(bare);
    BOOST_TEST((got.errors.empty() && got.what == task::status));
    BOOST_TEST(got.all == (!bare.empty() && bare.back() == "--all"));
  }
  BOOST_TEST(parse_ctl_command({"close", "42"}).session == 42u);
  const auto start = parse_ctl_command({"pcap", "start", "a.pcapng", "--limit", "5"});
  BOOST_TEST(start.errors.empty());
  BOOST_TEST((start.what == task::pcap && start.start && !start.stop));
  BOOST_TEST((start.file == "a.pcapng" && start.limit == 5));
  BOOST_TEST(parse_ctl_command({"pcap", "start", "start"}).file == "start");
  BOOST_TEST(parse_ctl_command({"pcap", "stop"}).stop);
  const auto doctor = parse_ctl_command(
      {"doctor", "server", "--config", "/a", "--config=/b", "--tun", "t0", "--mtu", "1400"});
  BOOST_TEST(doctor.errors.empty());
  BOOST_TEST((doctor.side == role::server && doctor.configs == words{"/a", "/b"}));
  BOOST_TEST((doctor.tun == "t0" && doctor.mtu == "1400"));
  BOOST_TEST((parse_ctl_command({"status", "--nonsense", "--help"}).what == task::help));
  BOOST_TEST((parse_ctl_command({"-V"}).what == task::version));
}

BOOST_AUTO_TEST_CASE(wrong_command_lines_are_told) {
  const words wrong[] = {{"dance"},
                         {"sessions", "--all"},
                         {"status", "--nonsense"},
                         {"status", "more"},
                         {"status", "--socket"},
                         {"status", "--watch"},
                         {"status", "--json=1"},
                         {"close"},
                         {"close", "x"},
                         {"close", "-1"},
                         {"sessions", "--most", "0"},
                         {"sessions", "--most", "x"},
                         {"pcap"},
                         {"pcap", "start"},
                         {"pcap", "go"},
                         {"pcap", "stop", "x"},
                         {"pcap", "start", "x", "y"},
                         {"pcap", "start", "x", "--limit", "0"},
                         {"pcap", "stop", "--limit", "1"},
                         {"status", "--limit", "1"},
                         {"doctor", "both"},
                         {"counters", "--config", "x"}};
  for (const auto& each : wrong)
    BOOST_TEST(!parse_ctl_command(each).errors.empty(), (each.empty() ? "" : each.front())
                                                            << " of " << each.size());
  BOOST_TEST(parse_ctl_command({"dance", "--most", "0"}).errors.size() >= 2u); // all at once
}

BOOST_AUTO_TEST_CASE(help_names_every_option) {
  const auto text = ctl_help_text();
  for (const char* name :
       {"--socket", "--json", "--all", "--most", "--watch", "--config", "--tun", "--local",
        "--remote", "--mtu", "--help", "--version", "doctor", "--limit", "pcap"})
    BOOST_TEST(text.find(name) != std::string::npos, name);
}

BOOST_AUTO_TEST_CASE(times_are_short) {
  BOOST_TEST(duration_text(5) == "5s");
  BOOST_TEST(duration_text(245) == "4m 5s");
  BOOST_TEST(duration_text(3'600 * 3 + 240) == "3h 4m");
  BOOST_TEST(duration_text(86'400 * 2 + 3'600 * 3) == "2d 3h");
}

BOOST_AUTO_TEST_CASE(tables_are_made_of_answers) {
  const char* answer = R"({"program": "tonelc", "version": "1.2.3", "pid": 5, "uptime_s": 61,
      "tun": {"name": "t0", "queues": 2, "queue_drops": 3, "unanswered_s": 4}, "offload": {"tun": true, "udp-gso": false},
      "parts": {"remote": {"state": "resolved", "detail": "1.2.3.4:5"}}, "sessions": 7,
      "pcap": {"state": "on", "file": "/x", "packets": 8, "bytes": 900, "limit_bytes": 1000, "lost": 2,
               "problem": "full"},
      "options": {"mtu": "1500", "pid-file": "", "tun": "t9"},
      "shards": [{"shard": 0, "answers": true, "sessions": 7, "tun_offload": true, "slabs_in_use": 1, "slabs": 9},
                 {"shard": 1, "answers": false}],
      "counters": {"datagrams_in": 4, "datagrams_out": 0}})";
  const auto status = status_table(answer, true);
  for (const char* part :
       {"tonelc 1.2.3, process 5, up 1m 1s\n", "t0, 2 queue(s), 3 packets dropped",
        "the system has not answered for 4 s", "tun on, udp-gso off", "resolved: 1.2.3.4:5",
        "on, /x: 8 packets, 900 of 1000 bytes, 2 packets lost, full", "1 of 9", "does not answer",
        "mtu  1500", "datagrams_in  4"})
    BOOST_TEST(status.find(part) != std::string::npos, part << " in " << status);
  BOOST_TEST(status.find("pid-file") == std::string::npos);
  BOOST_TEST(status_table(R"({"pcap": {"state": "off"}})", true).find("capture") == status.npos);
  BOOST_TEST(status.find("datagrams_out") == std::string::npos);

  // What is as usual is left out.
  const auto brief = status_table(answer, false);
  for (const char* part : {"tonelc 1.2.3, process 5", "t0, 2 queue(s)", "resolved: 1.2.3.4:5",
                           "on, /x", "does not answer", "tun  t9"})
    BOOST_TEST(brief.find(part) != brief.npos, part << " in " << brief);
  for (const char* part : {"mtu  1500", "datagrams_in", "1 of 9", "udp-gso"})
    BOOST_TEST(brief.find(part) == brief.npos, part << " in " << brief);

  const auto sessions = sessions_table(
      R"({"total": 9, "complete": false, "sessions": [{"session": 4, "peer": "1.1.1.1:1", "state": "open",
      "age_s": 5, "streams": [{"local": "a", "remote": "b", "state": "open", "profile": "native", "age_s": 5},
      {"local": "c", "remote": "d", "state": "idle", "profile": "tonel", "age_s": 5}]}]})");
  for (const char* part : {"a - b", "c - d", "tonel", "1 of 9 sessions", "did not answer"})
    BOOST_TEST(sessions.find(part) != std::string::npos, part << " in " << sessions);
}

BOOST_AUTO_TEST_CASE(odd_answers_do_no_harm) {
  for (const char* text : {"", "5", "[]", "{}", R"({"sessions": 5, "shards": 5, "options": [1]})",
                           R"({"counters": [5]})", "{"}) {
    for (const bool all : {false, true})
      static_cast<void>(status_table(text, all));
    static_cast<void>(sessions_table(text));
    static_cast<void>(counters_table(text));
    BOOST_TEST(counters_in(text).empty());
  }
}

BOOST_AUTO_TEST_CASE(what_counters_gained_is_told) {
  const auto before = counters_in(R"({"counters": {"a": 1, "b": 2}})");
  const auto now = counters_in(R"({"counters": {"a": 5, "b": 2, "c": 1}})");
  BOOST_TEST(counters_gained(before, now) == "a  +4\nc  +1\n");
  BOOST_TEST(counters_gained(now, now).empty());
}

BOOST_AUTO_TEST_SUITE_END()
