#include "actors/app/settings/validate.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel::actors;
using namespace tonel::actors::app;
using namespace std::chrono_literals;

namespace {

using arguments = std::vector<std::string>;
using result = tonel::expected<settings, std::vector<option_error>>;

/// What validate() says of a command line that has --local and --remote, unless `extra` has them.
result judge(role side, const arguments& extra) {
  auto line = parse_command_line(side, extra);
  line.values.emplace("local", side == role::client ? "127.0.0.1:5000" : "443");
  line.values.emplace("remote", "host.example:443");
  return validate(side, line);
}

result client(const arguments& extra = {}) { return judge(role::client, extra); }
result server(const arguments& extra = {}) { return judge(role::server, extra); }

std::string errors_of(const result& r) {
  std::string out;
  if (!r) {
    for (const auto& e : r.error())
      out += e.to_string() + "\n";
  }
  return out;
}

/// The value is refused, by exactly one error, which names option and value.
void check_refused(role side, const std::string& option, const std::string& value) {
  const auto r = judge(side, {option + "=" + value});
  BOOST_TEST(!r.has_value(), option << " " << value);
  if (r) return;
  BOOST_TEST(r.error().size() == 1u, errors_of(r));
  BOOST_TEST(r.error().front().option == option);
  BOOST_TEST(r.error().front().value == value);
  BOOST_TEST(!r.error().front().problem.empty());
}

void check_taken(role side, const std::string& option, const std::string& value) {
  BOOST_TEST(errors_of(judge(side, {option + "=" + value})) == "", option << " " << value);
}

struct number_row {
  const char* option;
  std::uint64_t least, most;
};

} // namespace

BOOST_AUTO_TEST_SUITE(validate_test)

BOOST_AUTO_TEST_CASE(defaults_are_those_of_the_configuration) {
  for (const auto side : {role::client, role::server}) {
    const auto r = judge(side, {});
    BOOST_TEST_REQUIRE(r.has_value(), errors_of(r));
    const config fresh;
    const tunnel_config fresh_tunnel;
    const auto& run = r->run;
    BOOST_TEST((run.side == side));
    BOOST_TEST((run.tunnels.front()->idle_timeout == fresh_tunnel.idle_timeout));
    BOOST_TEST((run.keepalive == fresh.keepalive));
    BOOST_TEST((run.tunnels.front()->wire == wire_choice::automatic));
    BOOST_TEST(run.tunnels.front()->streams == fresh_tunnel.streams);
    BOOST_TEST((run.tunnels.front()->deadline == 0s));
    BOOST_TEST(run.tun.name == "");
    BOOST_TEST(run.tun.ipv6);
    BOOST_TEST(!run.tun.ipv6_required);
    BOOST_TEST(run.tun.queues == fresh.tun.queues);
    BOOST_TEST(run.tun.mtu == fresh.tun.mtu);
    BOOST_TEST(run.tun.txqueuelen == fresh.tun.txqueuelen);
    BOOST_TEST(run.bounds.max_sessions == fresh.bounds.max_sessions);
    BOOST_TEST(run.bounds.max_sessions_per_source == fresh.bounds.max_sessions_per_source);
    BOOST_TEST(run.bounds.max_opening_sessions == fresh.bounds.max_opening_sessions);
    BOOST_TEST(run.bounds.max_new_sessions_per_second == fresh.bounds.max_new_sessions_per_second);
    BOOST_TEST(run.bounds.pending_bytes == fresh.bounds.pending_bytes);
    BOOST_TEST(run.bounds.pending_total_bytes == fresh.bounds.pending_total_bytes);
    BOOST_TEST(run.bounds.pool_mib == fresh.bounds.pool_mib);
    BOOST_TEST((run.offload.tun && run.offload.udp_gso && run.offload.udp_gro));
    BOOST_TEST((r->level == log_level::info));
    BOOST_TEST(r->log_output == "");
  }
  BOOST_TEST(client()->run.tun.local4.to_string() == "192.168.200.1");
  BOOST_TEST(client()->run.tun.peer4.to_string() == "192.168.200.2");
  BOOST_TEST(client()->run.tun.local6.to_string() == "fcc8::1");
  BOOST_TEST(client()->run.tun.peer6.to_string() == "fcc8::2");
  BOOST_TEST(server()->run.tun.local4.to_string() == "192.168.201.1");
  BOOST_TEST(server()->run.tun.peer4.to_string() == "192.168.201.2");
  BOOST_TEST(server()->run.tun.local6.to_string() == "fcc9::1");
  BOOST_TEST(server()->run.tun.peer6.to_string() == "fcc9::2");
}

BOOST_AUTO_TEST_CASE(given_values_arrive) {
  const auto r = client({"-l",
                         "[::1]:51820",
                         "-r",
                         "[2001:db8::1]:8443",
                         "--tun=vpn0",
                         "--tun-local=10.9.8.1",
                         "--tun-peer=10.9.8.77",
                         "--tun-local6=fd00:1::1",
                         "--tun-peer6=fd00:1::f",
                         "--tun-queues=4",
                         "--mtu=1420",
                         "--txqueuelen=100",
                         "--idle-timeout=60",
                         "--keepalive=0",
                         "--wire=phantun",
                         "--tcp-connections=4",
                         "--deadline=90",
                         "--max-sessions=100",
                         "--max-sessions-per-source=10",
                         "--max-opening=9",
                         "--max-new-sessions=8",
                         "--pending-bytes=60000",
                         "--pending-total-mib=2",
                         "--pool-mib=5",
                         "--log-level=DeBuG",
                         "--log-format=JSON",
                         "--log-output=/tmp/x",
                         "-d",
                         "--pid-file=x.pid",
                         "--handshake-packet=h"});
  BOOST_TEST_REQUIRE(r.has_value(), errors_of(r));
  const auto& run = r->run;
  BOOST_TEST(run.tunnels.front()->local_udp.to_string() == "[::1]:51820");
  BOOST_TEST(run.tunnels.front()->remote.host == "2001:db8::1");
  BOOST_TEST(run.tunnels.front()->remote.port == 8443);
  BOOST_TEST(run.tun.name == "vpn0");
  BOOST_TEST(run.tun.local4.to_string() == "10.9.8.1");
  BOOST_TEST(run.tun.peer4.to_string() == "10.9.8.77");
  BOOST_TEST(run.tun.local6.to_string() == "fd00:1::1");
  BOOST_TEST(run.tun.peer6.to_string() == "fd00:1::f");
  BOOST_TEST(run.tun.ipv6_required);
  BOOST_TEST(run.tun.queues == 4u);
  BOOST_TEST(run.tun.mtu == 1420);
  BOOST_TEST(run.tun.txqueuelen == 100u);
  BOOST_TEST((run.tunnels.front()->idle_timeout == 60s));
  BOOST_TEST((run.keepalive == 0s));
  BOOST_TEST((run.tunnels.front()->wire == wire_choice::phantun));
  BOOST_TEST(run.tunnels.front()->streams == 4u);
  BOOST_TEST((run.tunnels.front()->deadline == 90s));
  BOOST_TEST(run.bounds.max_sessions == 100u);
  BOOST_TEST(run.bounds.max_sessions_per_source == 10u);
  BOOST_TEST(run.bounds.max_opening_sessions == 9u);
  BOOST_TEST(run.bounds.max_new_sessions_per_second == 8u);
  BOOST_TEST(run.bounds.pending_bytes == 60000u);
  BOOST_TEST(run.bounds.pending_total_bytes == 2u * 1024 * 1024);
  BOOST_TEST(run.bounds.pool_mib == 5u);
  BOOST_TEST((r->level == log_level::debug));
  BOOST_TEST(r->log_output == "/tmp/x");
  BOOST_TEST(r->daemonize);
  BOOST_TEST(r->pid_path == "x.pid");
  BOOST_TEST(r->files.front().at("handshake-packet").path == "h");
  BOOST_TEST(server({"-l", "65535"})->run.tunnels.front()->local_port == 65535);
  BOOST_TEST(server({"--udp-connections=3"})->run.tunnels.front()->upstream_ports == 3u);
}

BOOST_AUTO_TEST_CASE(numbers_are_strict_and_bounded) {
  const number_row table[] = {
      {"--idle-timeout", 1, 604'800},
      {"--keepalive", 0, 3'600},
      {"--tun-queues", 1, 256},
      {"--mtu", 1'280, 65'535},
      {"--txqueuelen", 1, 65'536},
      {"--max-new-sessions", 1, 1'000'000},
      {"--pending-bytes", 2'048, 16'777'216},
      {"--pending-total-mib", 1, 65'536},
      {"--pool-mib", 1, 4'096},
      {"--max-sessions", 1, 1'000'000},
      {"--tcp-connections", 1, 255},
      {"--udp-connections", 1, 255},
      {"--deadline", 1, 31'536'000},
  };
  for (const auto& row : table) {
    check_taken(role::client, row.option, std::to_string(row.least));
    check_taken(role::client, row.option, std::to_string(row.most));
    if (row.least > 0) check_refused(role::client, row.option, std::to_string(row.least - 1));
    check_refused(role::client, row.option, std::to_string(row.most + 1));
    for (const char* value :
         {"-1", "+5", " 1500", "1500 ", "1500x", "0x5dc", "1e3", "1500.0", "01500", "1_500", "many",
          "-", "18446744073709553116", "99999999999999999999999999"}) {
      check_refused(role::client, row.option, value);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_dialect_is_one_of_four) {
  BOOST_TEST((client({"--wire=auto"})->run.tunnels.front()->wire == wire_choice::automatic));
  BOOST_TEST((client({"--wire=native"})->run.tunnels.front()->wire == wire_choice::native));
  BOOST_TEST((client({"--wire=tonel"})->run.tunnels.front()->wire == wire_choice::tonel));
  for (const char* value : {"Native", "legacy", "auto,native", " tonel"}) {
    BOOST_TEST(errors_of(client({std::string{"--wire="} + value})) ==
               "--wire " + std::string{value} + ": must be auto, native, tonel or phantun\n");
  }
  check_taken(role::server, "--wire", "tonel");
  check_refused(role::server, "--wire", "x");
}

BOOST_AUTO_TEST_CASE(addresses_of_the_device_are_of_their_family_and_network) {
  for (const char* value :
       {"x", "10.0.0", "10.0.0.256", "fcc8::1", "0.0.0.0", "127.0.0.1", "224.0.0.1",
        "255.255.255.255", "192.168.200.0", "192.168.200.255", "0.1.2.3", "10.0.0.1/24"}) {
    check_refused(role::client, "--tun-local", value);
  }
  for (const char* value : {"x", "10.0.0.1", "::", "::1", "ff02::1", "fe80::1",
                            "fcc8::", "::ffff:10.0.0.1", "fcc8::1/64", "fcc8::1%eth0"}) {
    check_refused(role::client, "--tun-local6", value);
  }
  check_refused(role::client, "--tun-peer", "192.168.200.1");
  check_refused(role::client, "--tun-peer", "192.168.201.2");
  check_refused(role::client, "--tun-peer6", "fcc8::1");
  check_refused(role::client, "--tun-peer6", "fcc8:0:0:1::2");
  check_taken(role::client, "--tun-peer", "192.168.200.254");
  check_taken(role::client, "--tun-peer6", "fcc8::ffff");
}

BOOST_AUTO_TEST_CASE(ipv4_only_excludes_what_is_ipv6) {
  BOOST_TEST(errors_of(client({"-4", "--tun-local6=fcc8::1", "--tun-peer6=x"})) ==
             "--tun-local6 fcc8::1: cannot go with --ipv4-only\n"
             "--tun-peer6 x: cannot go with --ipv4-only\n");
  BOOST_TEST(errors_of(client({"-4", "-r", "[2001:db8::1]:443"})) ==
             "--remote [2001:db8::1]:443: is IPv6, which --ipv4-only excludes\n");
  // The upstream is reached through an ordinary socket.
  BOOST_TEST(errors_of(server({"-4", "-r", "[2001:db8::1]:443"})) == "");
  const auto r = client({"-4", "--mtu=576"});
  BOOST_TEST_REQUIRE(r.has_value(), errors_of(r));
  BOOST_TEST(!r->run.tun.ipv6);
  BOOST_TEST(!r->run.tun.local6);
  BOOST_TEST(!r->run.tun.peer6);
  BOOST_TEST(errors_of(client({"--mtu=1279"})) ==
             "--mtu 1279: must be at least 1280 for IPv6 (or give --ipv4-only)\n");
}

BOOST_AUTO_TEST_CASE(names_of_devices_fit_kernel_and_rules) {
  for (const char* value : {"tun0", "a", "tonel-client.1", "fifteen_letters", "tun%d"}) {
    check_taken(role::client, "--tun", value);
  }
  for (const char* value : {"sixteen_letters_",
                            ".",
                            "..",
                            "a/b",
                            "a b",
                            "a:b",
                            "a\tb",
                            "tun*",
                            "a\"b",
                            "a'b",
                            "a;b",
                            "-a",
                            "0",
                            "2",
                            "007",
                            "2147483647",
                            "-1",
                            "+3",
                            "99999999999999999999",
                            "all",
                            "default",
                            "%d%d",
                            "%s",
                            "t\xc3\xbcn"}) {
    check_refused(role::client, "--tun", value);
  }
}

BOOST_AUTO_TEST_CASE(a_number_as_the_device_is_a_descriptor) {
  const auto r = client({"--tun=3"});
  BOOST_TEST_REQUIRE(r.has_value(), errors_of(r));
  BOOST_TEST(r->run.tun.fd == 3);
  BOOST_TEST(r->run.tun.name == "");
  BOOST_TEST(client({"--tun=3a"})->run.tun.fd == -1);
  BOOST_TEST(errors_of(client({"--tun=3", "--tun-queues=2"})) ==
             "--tun-queues 2: must be 1 where --tun is a descriptor, which is one queue\n");
}

BOOST_AUTO_TEST_CASE(local_addresses_of_the_client) {
  for (const char* value : {"0.0.0.0:1", "127.0.0.1:65535", "[::]:53", "[fe80::1]:53"}) {
    check_taken(role::client, "--local", value);
  }
  for (const char* value :
       {"127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "5000", ":5000",
        "localhost:5000", "::1:5000", "[::1]", "[::1]:0", "127.0.0.1:+5", "127.0.0.1:5x",
        "[127.0.0.1]:5", "[::ffff:127.0.0.1]:5", "224.0.0.1:5"}) {
    check_refused(role::client, "--local", value);
  }
}

BOOST_AUTO_TEST_CASE(local_port_of_the_server) {
  check_taken(role::server, "--local", "1");
  for (const char* value : {"0", "65536", "-1", "+1", "0443", "443x", "0.0.0.0:443", "http"}) {
    check_refused(role::server, "--local", value);
  }
}

BOOST_AUTO_TEST_CASE(remotes_of_either_side) {
  for (const auto side : {role::client, role::server}) {
    for (const char* value : {"192.0.2.1:1", "[2001:db8::1]:65535", "a:1", "vpn.example.net:443",
                              "vpn.example.net.:443", "a_b-c.example:1", "4a.example:1",
                              "1.2.3.example:1", "xn--bcher-kva.example:1"}) {
      check_taken(side, "--remote", value);
    }
    for (const char* value : {"a",
                              "a:",
                              "a:0",
                              "a:65536",
                              "a:x",
                              "a:+1",
                              "a:1 ",
                              ":443",
                              "[]:443",
                              "[a]:443",
                              "[192.0.2.1]:443",
                              "2001:db8::1:443",
                              "[2001:db8::1]",
                              "2001:db8::1]:443",
                              "a b:1",
                              "-a:1",
                              "a-:1",
                              "a..b:1",
                              ".a:1",
                              "1.2.3:1",
                              "300.1.1.1:1",
                              "10:1",
                              "0x7f.0x1:1",
                              "192.0.2.01:1",
                              "b\xc3\xbc"
                              "cher.example:1",
                              "[::ffff:192.0.2.1]:1",
                              "[fe80::1]:1",
                              "[fe80::1%eth0]:1",
                              "http://a:1"}) {
      check_refused(side, "--remote", value);
    }
    check_refused(side, "--remote", std::string(64, 'a') + ".example:1");
    check_refused(side, "--remote", std::string(254, 'a') + ":1");
  }
}

BOOST_AUTO_TEST_CASE(the_client_reaches_no_loopback_and_says_why) {
  for (const char* value :
       {"127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "localhost:1", "LocalHost.:1", "a.localhost:1"}) {
    const auto r = client({"-r", value});
    BOOST_TEST(errors_of(r).find("martian") != std::string::npos, value);
    check_taken(role::server, "--remote", value);
  }
  for (const char* value : {"0.0.0.0:1", "[::]:1"}) {
    const auto r = client({"-r", value});
    BOOST_TEST(errors_of(r).find("must be the address of one host") != std::string::npos, value);
    check_taken(role::server, "--remote", value);
  }
  check_refused(role::client, "--remote", "224.0.0.1:1");
  check_refused(role::server, "--remote", "224.0.0.1:1");
  check_refused(role::server, "--remote", "255.255.255.255:1");
  check_refused(role::client, "--remote", "[ff02::1]:1");
}

BOOST_AUTO_TEST_CASE(the_client_reaches_nothing_behind_its_own_device) {
  for (const char* end : {"10.0.0.1:1", "10.0.0.2:1"})
    BOOST_TEST(errors_of(client({"-r", end, "--tun-local=10.0.0.1", "--tun-peer=10.0.0.2"})) != "");
  BOOST_TEST(
      errors_of(client({"-r", "10.0.0.9:1", "--tun-local=10.0.0.1", "--tun-peer=10.0.0.2"})) == "");
  // Addresses that nobody has chosen become others.
  check_taken(role::client, "--remote", "192.168.200.2:1");
  check_taken(role::client, "--remote", "[fcc8::1]:1");
}

BOOST_AUTO_TEST_CASE(offloads_are_switched_one_by_one) {
  struct row {
    const char* text;
    bool tun, gso, gro;
  };
  for (const auto& row : {row{"auto", true, true, true}, row{"off", false, false, false},
                          row{"tun", true, false, false}, row{"udp-gso,tun", true, true, false},
                          row{"udp-gro", false, false, true}, row{"no-tun", false, true, true},
                          row{"no-udp-gso,no-udp-gro", true, false, false},
                          row{"tun,udp-gso,udp-gro", true, true, true},
                          row{"no-tun,no-udp-gso,no-udp-gro", false, false, false}}) {
    const auto r = client({"--offload", row.text});
    BOOST_TEST_REQUIRE(r.has_value(), errors_of(r));
    BOOST_TEST(r->run.offload.tun == row.tun, row.text);
    BOOST_TEST(r->run.offload.udp_gso == row.gso, row.text);
    BOOST_TEST(r->run.offload.udp_gro == row.gro, row.text);
  }
  for (const char* value :
       {"on", "tun,", ",tun", "tun,,udp-gso", "tun udp-gso", "tun,no-udp-gso", "no-tun,udp-gso",
        "auto,no-tun", "tun,off", "tun,tun", "no-", "no-auto", "TUN", "no-no-tun"}) {
    check_refused(role::client, "--offload", value);
  }
}

BOOST_AUTO_TEST_CASE(who_is_accepted_is_a_list_of_names) {
  struct row {
    const char* text;
    bool native, legacy;
  };
  for (const auto side : {role::client, role::server}) {
    const auto preset = judge(side, {});
    BOOST_TEST((preset->run.tunnels.front()->accept_native &&
                !preset->run.tunnels.front()->accept_legacy));
    for (const auto& row :
         {row{"native", true, false}, row{"legacy", false, true}, row{"native,legacy", true, true},
          row{"legacy,native", true, true}, row{"tonel", false, true}, row{"phantun", false, true},
          row{"tonel,phantun", false, true}, row{"phantun,native", true, true},
          row{"native,legacy,tonel,phantun", true, true}}) {
      const auto r = judge(side, {"--accept", row.text});
      BOOST_TEST_REQUIRE(r.has_value(), errors_of(r));
      BOOST_TEST(r->run.tunnels.front()->accept_native == row.native, row.text);
      BOOST_TEST(r->run.tunnels.front()->accept_legacy == row.legacy, row.text);
    }
    for (const char* value : {"all", "native,", ",native", "native,,legacy", "native legacy",
                              "Native", "native,native", "none", "no-legacy", "tonel,tonel"})
      check_refused(side, "--accept", value);
  }
  BOOST_TEST(errors_of(server({"--accept=udp", "--mtu=20"})) ==
             "--accept udp: must be native, legacy, or both joined by a comma (tonel and phantun "
             "mean legacy)\n"
             "--mtu 20: must be 576 to 65535\n");
}

BOOST_AUTO_TEST_CASE(the_key_is_what_follows_the_first_colon_in_small_letters) {
  BOOST_TEST(!client()->run.tunnels.front()->cipher);
  struct row {
    const char* text;
    const char* key;
  };
  for (const auto& row :
       {row{"xor:key", "key"}, row{"XOR:KeY", "key"}, row{"xor::a:B", ":a:b"}, row{"xor: ", " "},
        row{"xor:\xc3\x84\xd0\x96", "\xc3\xa4\xd0\xb6"}, row{"xor:\xc4\xb0", "i\xcc\x87"}}) {
    const auto r = client({"--encryption", row.text});
    BOOST_TEST_REQUIRE(r.has_value(), errors_of(r));
    std::vector<std::uint8_t> zeros(std::string_view{row.key}.size());
    r->run.tunnels.front()->cipher->apply(zeros, 100);
    BOOST_TEST((std::string{zeros.begin(), zeros.end()} == row.key), row.text);
  }
  BOOST_TEST(client({"--encryption", "xor:" + std::string(1024, 'k')}).has_value());
  const auto longer = client({"--encryption", "xor:" + std::string(1025, 'k')});
  BOOST_TEST(errors_of(longer).find("must have a key of at most 1024 bytes") != std::string::npos);
  for (const char* value : {"xor", "xor:", "key", "aes:key", "xor;key", ":key", "xor:\xff",
                            "xor:\xce\xa3", "xor:\xc3", "xor:\xc0\x80", "xor:\xed\xa0\x80"}) {
    const auto r = server({"--encryption", value});
    BOOST_TEST_REQUIRE(!r.has_value(), value);
    BOOST_TEST_REQUIRE(r.error().size() == 1u, errors_of(r));
    BOOST_TEST(r.error().front().option == "--encryption");
    BOOST_TEST(r.error().front().value == ""); // it is not shown
  }
}

BOOST_AUTO_TEST_CASE(parts_do_not_exceed_the_whole) {
  BOOST_TEST(errors_of(client(
                 {"--max-sessions=10", "--max-sessions-per-source=11", "--max-opening=12"})) ==
             "--max-sessions-per-source 11: must not exceed --max-sessions 10\n"
             "--max-opening 12: must not exceed --max-sessions 10\n");
  BOOST_TEST(errors_of(client({"--pending-bytes=1048577", "--pending-total-mib=1"})) ==
             "--pending-bytes 1048577: must not exceed --pending-total-mib 1\n");
  const auto r = client({"--max-sessions=10"});
  BOOST_TEST_REQUIRE(r.has_value(), errors_of(r));
  BOOST_TEST(r->run.bounds.max_sessions_per_source == 0u); // follows from the whole
  BOOST_TEST(r->run.bounds.max_opening_sessions == 10u);
}

BOOST_AUTO_TEST_CASE(places_of_status_are_read) {
  const auto plain = client();
  BOOST_TEST_REQUIRE(plain.has_value());
  BOOST_TEST(plain->control_path == "auto");
  BOOST_TEST(!plain->metrics.has_value());
  const auto given = client({"--control=/x/y.sock", "--metrics=9100"});
  BOOST_TEST_REQUIRE(given.has_value());
  BOOST_TEST(given->control_path == "/x/y.sock");
  BOOST_TEST(given->metrics->to_string() == "127.0.0.1:9100");
  BOOST_TEST(client({"--metrics=[::1]:9100"})->metrics->to_string() == "[::1]:9100");
  for (const char* bad : {"0", "65536", "localhost:9100", "1.2.3.4", "1.2.3.4:0", "on"})
    check_refused(role::client, "--metrics", bad);
  check_refused(role::server, "--control", std::string(108, 'x'));
}

BOOST_AUTO_TEST_CASE(a_capture_has_a_file_and_a_limit) {
  const auto plain = client();
  BOOST_TEST_REQUIRE(plain.has_value());
  BOOST_TEST(plain->pcap.path.empty());
  const auto given = server({"--pcap=/x/y.pcapng", "--pcap-limit=5"});
  BOOST_TEST_REQUIRE(given.has_value());
  BOOST_TEST(given->pcap.path == "/x/y.pcapng");
  BOOST_TEST(given->pcap.option == "--pcap");
  BOOST_TEST(given->pcap_limit_mib == 5u);
  BOOST_TEST(server({"--pcap=x"})->pcap_limit_mib == 64u);
  for (const char* bad : {"0", "1048577", "x"})
    check_refused(role::client, "--pcap-limit", bad);
}

BOOST_AUTO_TEST_CASE(all_options_are_shown_but_no_secret) {
  const auto r = server({"--encryption=xor:secret", "--mtu=1400", "--ipv4-only"});
  BOOST_TEST_REQUIRE(r.has_value());
  std::size_t options = 0;
  for (const auto& group : option_groups())
    options += group.options.size();
  BOOST_TEST(r->shown.size() == options - 2); // --help and --version
  for (const auto& [name, value] : r->shown) {
    BOOST_TEST(value.find("secret") == std::string::npos, name);
    if (name == "mtu") BOOST_TEST(value == "1400");
    if (name == "ipv4-only") BOOST_TEST(value == "on");
    if (name == "daemonize") BOOST_TEST(value == "off");
    if (name == "idle-timeout") BOOST_TEST(value == "180");
  }
}

BOOST_AUTO_TEST_CASE(the_direct_path_needs_auto_rule_and_has_no_nat) {
  BOOST_TEST(errors_of(judge(role::client, {"--firewall=bpf"})).find("needs --auto-rule") !=
             std::string::npos);
  BOOST_TEST(
      errors_of(judge(role::server, {"--firewall=bpf", "--auto-rule=auto", "--nat=stateless"}))
          .find("translates nothing") != std::string::npos);
  const auto good = judge(role::server, {"--firewall=bpf", "--auto-rule=auto", "--nat=conntrack",
                                         "--reply-by=arrival"});
  BOOST_TEST_REQUIRE(good.has_value(), errors_of(good));
  BOOST_TEST((good->firewall.backend == tonel::sys::backend_kind::direct));
  BOOST_TEST(good->firewall.reply_by_arrival);
  check_refused(role::server, "--reply-by", "chance");
}

BOOST_AUTO_TEST_CASE(what_is_shown_can_be_given_again) {
  for (const auto side : {role::client, role::server}) {
    const auto first =
        judge(side, {"--tun=t0", "--tun-local=10.9.8.1", "--tun-peer=10.9.8.77", "--tun-queues=4",
                     "--mtu=1420", "--keepalive=7", "--offload=no-tun", "--coalesce-us=0",
                     "--auto-rule=eth0", "--nat=stateless", "--fwmark=0x10", "--firewall=auto",
                     "--max-sessions=100", "--max-sessions-per-source=10", "--pending-total-mib=2",
                     "--log-level=DEBUG", "--log-format=JSON", "--metrics=9100", "--pcap=/x"});
    BOOST_TEST_REQUIRE(first.has_value(), errors_of(first));
    arguments again;
    for (const auto& [name, value] : first->process_wide)
      if (!value.empty() && value != "on" && value != "off")
        again.push_back("--" + name + '=' + value);
    const auto second = judge(side, again);
    BOOST_TEST_REQUIRE(second.has_value(), errors_of(second));
    BOOST_TEST((second->process_wide == first->process_wide));
    BOOST_TEST(first->process_wide.at("offload") == "udp-gso,udp-gro");
    BOOST_TEST(first->process_wide.at("fwmark") == "16");
    BOOST_TEST(first->process_wide.at("log-level") == "debug");
    BOOST_TEST(first->process_wide.at("metrics") == "127.0.0.1:9100");
  }
}

BOOST_AUTO_TEST_CASE(levels_are_read_in_any_case) {
  for (const char* value : {"off", "ERROR", "Warn", "info", "debug", "tRACE"}) {
    check_taken(role::client, "--log-level", value);
  }
  for (const char* value : {"warning", "inf", "3", "info "}) {
    check_refused(role::client, "--log-level", value);
  }
}

BOOST_AUTO_TEST_CASE(the_log_is_text_or_json) {
  for (const char* value : {"text", "json", "Json"})
    check_taken(role::client, "--log-format", value);
  for (const char* value : {"", "xml", "json "})
    check_refused(role::client, "--log-format", value);
}

BOOST_AUTO_TEST_CASE(what_is_required_is_asked_for_once) {
  const auto missing = validate(role::client, parse_command_line(role::client, {}));
  BOOST_TEST(errors_of(missing) == "--local: is required, for example 127.0.0.1:51820\n"
                                   "--remote: is required, for example vpn.example.net:443\n");
  const auto bare = validate(role::server, parse_command_line(role::server, {"-r", "a:1", "-l"}));
  BOOST_TEST(errors_of(bare) == "--local: needs a value\n");
}

BOOST_AUTO_TEST_CASE(all_errors_are_reported_at_once_and_in_order) {
  const auto r = client({"--nope", "--mtu=20", "-l", "x", "-r", "127.0.0.1:1", "--tun", "a/b",
                         "--keepalive=-1", "--offload=all", "--max-sessions=0", "--log-level=loud",
                         "--tun-peer=192.168.200.1"});
  BOOST_TEST_REQUIRE(!r.has_value());
  const char* order[] = {"--nope", "--local",     "--remote",  "--tun",          "--tun-peer",
                         "--mtu",  "--keepalive", "--offload", "--max-sessions", "--log-level"};
  BOOST_TEST_REQUIRE(r.error().size() == std::size(order), errors_of(r));
  for (std::size_t i = 0; i < std::size(order); ++i) {
    BOOST_TEST(r.error()[i].option == order[i]);
  }
}

BOOST_AUTO_TEST_SUITE_END()
