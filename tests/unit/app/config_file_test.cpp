#include "actors/app/settings/config_file.hpp"
#include "actors/app/settings/load.hpp"

#include <boost/test/unit_test.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace tonel::actors;
using namespace tonel::actors::app;
using namespace std::chrono_literals;

namespace {

struct folder_fixture {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("tonel_config_test." + std::to_string(getpid()));
  std::string main = (folder / "a.conf").string();

  folder_fixture() { std::filesystem::create_directories(folder / "a.d"); }
  ~folder_fixture() { std::filesystem::remove_all(folder); }
  std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    const auto path = (folder / name).string();
    std::ofstream{path} << text;
    ::chmod(path.c_str(), mode);
    return path;
  }
  tonel::expected<settings, std::vector<option_error>>
  load(const std::string& text, std::vector<std::string> more = {}, role side = role::client) {
    write("a.conf", text);
    more.insert(more.begin(), {"--config", main});
    return load_settings(side, parse_command_line(side, more));
  }
  /// All that is wrong, the folder's name left out.
  std::string errors(const std::string& text, std::vector<std::string> more = {},
                     role side = role::client) {
    const auto r = load(text, std::move(more), side);
    std::string out;
    if (r) return out;
    for (const auto& e : r.error())
      out += e.to_string() + "\n";
    for (auto at = out.find(folder.string()); at != std::string::npos;
         at = out.find(folder.string()))
      out.erase(at, folder.string().size() + 1);
    return out;
  }
};

const std::string one = "[tunnel.one]\nlocal = 127.0.0.1:1001\nremote = 192.0.2.1:443\n";
const std::string two = "[tunnel.two]\nlocal = 127.0.0.1:1002\nremote = 192.0.2.1:444\n";

} // namespace

BOOST_FIXTURE_TEST_SUITE(config_file_test, folder_fixture)

BOOST_AUTO_TEST_CASE(each_section_is_a_tunnel_and_what_stands_before_is_for_all) {
  const auto r = load("# comment\n\nmtu=1400 # another\n  idle-timeout = 60\nipv4-only = yes\n" +
                      one + "idle-timeout = 70\r\n" + two);
  BOOST_TEST_REQUIRE(r.has_value());
  const auto& run = r->run;
  BOOST_TEST(run.tun.mtu == 1400);
  BOOST_TEST(!run.tun.ipv6);
  BOOST_TEST_REQUIRE(run.tunnels.size() == 2u);
  BOOST_TEST(run.tunnels[0]->name == "one");
  BOOST_TEST((run.tunnels[0]->idle_timeout == 70s));
  BOOST_TEST((run.tunnels[1]->idle_timeout == 60s));
  BOOST_TEST(run.tunnels[1]->local_udp.to_string() == "127.0.0.1:1002");
}

BOOST_AUTO_TEST_CASE(a_byte_order_mark_is_no_part_of_the_first_line) {
  const auto r = load("\xef\xbb\xbfmtu = 1400\n" + one);
  BOOST_TEST_REQUIRE(r.has_value());
  BOOST_TEST(r->run.tun.mtu == 1400);
  BOOST_TEST(errors("mtu = 1400\n\xef\xbb\xbf" + one) != "");
}

BOOST_AUTO_TEST_CASE(what_never_ends_is_refused_in_time) {
  const auto refusal = [](const std::string& path) {
    const auto r =
        load_settings(role::client, parse_command_line(role::client, {"--config", path}));
    return r ? std::string{} : r.error().front().to_string();
  };
  BOOST_TEST(refusal("/dev/zero").find("larger than 4 MiB") != std::string::npos);
  const auto pipe = (folder / "pipe").string();
  BOOST_TEST_REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  BOOST_TEST(refusal(pipe).find("nobody writes into this pipe") != std::string::npos);
  BOOST_TEST(refusal(folder.string()).find("Is a directory") != std::string::npos);
  // One that is written into is read to its end, as a shell's <(...) is.
  int ends[2];
  BOOST_TEST_REQUIRE(::pipe(ends) == 0);
  BOOST_TEST(::write(ends[1], one.data(), one.size()) == static_cast<ssize_t>(one.size()));
  ::close(ends[1]);
  BOOST_TEST(refusal("/dev/fd/" + std::to_string(ends[0])) == "");
  ::close(ends[0]);
}

BOOST_AUTO_TEST_CASE(each_tunnel_has_its_dialect) {
  const auto c = load("wire = native\n" + one + "wire = phantun\n" + two);
  BOOST_TEST_REQUIRE(c.has_value());
  BOOST_TEST((c->run.tunnels[0]->wire == wire_choice::phantun));
  BOOST_TEST((c->run.tunnels[1]->wire == wire_choice::native));
  const auto s = load("[tunnel.a]\nlocal = 1001\nremote = 127.0.0.1:1\naccept = native\n"
                      "[tunnel.b]\nlocal = 1002\nremote = 127.0.0.1:1\naccept = legacy\n"
                      "[tunnel.c]\nlocal = 1003\nremote = 127.0.0.1:1\n"
                      "[tunnel.d]\nlocal = 1004\nremote = 127.0.0.1:1\naccept = legacy,native\n",
                      {}, role::server);
  BOOST_TEST_REQUIRE(s.has_value());
  const auto& tunnels = s->run.tunnels;
  BOOST_TEST((tunnels[0]->accept_native && !tunnels[0]->accept_legacy));
  BOOST_TEST((!tunnels[1]->accept_native && tunnels[1]->accept_legacy));
  BOOST_TEST((tunnels[2]->accept_native && !tunnels[2]->accept_legacy));
  BOOST_TEST((tunnels[3]->accept_native && tunnels[3]->accept_legacy));
  BOOST_TEST(errors("accept = udp\n" + one + "wire = x\n").find("a.conf:5: wire x: must be") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(each_option_stands_where_its_row_says) {
  for (const auto& group : option_groups())
    for (const auto& row : group.options) {
      const auto all = errors(one + row.name + " = x\n");
      const auto told = [&](const char* text) { return all.find(text) != std::string::npos; };
      BOOST_TEST(told("is for the whole process") == (row.scope == option_scope::process),
                 row.name);
      BOOST_TEST(told("can stand on the command line alone") ==
                     (row.scope == option_scope::command_line),
                 row.name);
    }
}

BOOST_AUTO_TEST_CASE(a_check_shows_what_is_not_at_its_default) {
  write("key", "xor:key\n");
  write("packet", "12345");
  const auto r = load("udp-connections = 2\n" + one + two +
                      "idle-timeout = 60\nwire = phantun\ntcp-connections = 4\ndeadline = 9\n"
                      "handshake-packet = packet\nencryption-file = key\n");
  BOOST_TEST_REQUIRE(r.has_value());
  BOOST_TEST(summary_text(*r) ==
             "tonelc: the configuration is good: 2 tunnels\n"
             "  tunnel one: 127.0.0.1:1001 -> 192.0.2.1:443, udp-connections 2\n"
             "  tunnel two: 127.0.0.1:1002 -> 192.0.2.1:444, idle-timeout 60, wire phantun, "
             "tcp-connections 4, udp-connections 2, deadline 9, handshake-packet of 5 bytes, "
             "encryption xor (key not shown)\n");
  const auto s = load("[tunnel.a]\nlocal = 443\nremote = [::1]:53\naccept = tonel\nwire = tonel\n",
                      {}, role::server);
  BOOST_TEST_REQUIRE(s.has_value());
  BOOST_TEST(summary_text(*s) == "tonels: the configuration is good: 1 tunnel\n"
                                 "  tunnel a: TCP port 443 -> [::1]:53, accept legacy\n");
}

BOOST_AUTO_TEST_CASE(the_control_socket_is_a_path_or_a_word) {
  for (const char* word : {"auto", "off"}) {
    const auto r = load("control = " + std::string{word} + "\n" + one);
    BOOST_TEST_REQUIRE(r.has_value());
    BOOST_TEST(r->control_path == word);
  }
  const auto r = load("control = ./off\n" + one);
  BOOST_TEST_REQUIRE(r.has_value());
  BOOST_TEST(r->control_path == (folder / "off").string());
}

BOOST_AUTO_TEST_CASE(the_command_line_beats_the_file) {
  const auto r = load("mtu = 1400\nidle-timeout = 60\n" + one + "idle-timeout = 70\n",
                      {"--idle-timeout=80", "--mtu=1500"});
  BOOST_TEST_REQUIRE(r.has_value());
  BOOST_TEST(r->run.tun.mtu == 1500);
  BOOST_TEST((r->run.tunnels.front()->idle_timeout == 80s));
}

BOOST_AUTO_TEST_CASE(without_sections_there_is_one_tunnel) {
  const auto r = load("local = 443\nremote = 127.0.0.1:51820\n", {}, role::server);
  BOOST_TEST_REQUIRE(r.has_value());
  BOOST_TEST(r->run.tunnels.front()->local_port == 443);
  BOOST_TEST(r->run.tunnels.front()->name == "");
  BOOST_TEST(errors("local = 443\n", {"--remote=127.0.0.1:1"}, role::server) == "");
}

BOOST_AUTO_TEST_CASE(the_files_of_the_directory_follow_in_order_of_name) {
  write("a.d/20.conf", two);
  write("a.d/10.conf", one);
  write("a.d/30.txt", "nonsense\n");
  write("a.d/.40.conf", "nonsense\n");
  const auto r = load("mtu = 1400\n");
  BOOST_TEST_REQUIRE(r.has_value());
  BOOST_TEST_REQUIRE(r->run.tunnels.size() == 2u);
  BOOST_TEST(r->run.tunnels[0]->name == "one");
  write("a.d/50.conf", "mtu = 1300\n[tunnel.one]\n");
  BOOST_TEST(errors("mtu = 1400\n") ==
             "a.d/50.conf:1: mtu: is given more than once, at a.conf:1 too\n"
             "a.d/50.conf:2: [tunnel.one]: stands at a.d/10.conf:1 already\n");
}

BOOST_AUTO_TEST_CASE(all_errors_are_told_at_once_with_their_lines) {
  BOOST_TEST(errors("mtu=5\nfoo = 1\nlocal = 1\n[x]\nmtu = 4\n[tunnel.a]\nlocal = 3\nlocal = 4\n"
                    "tun = x\nbla\nipv4-only = 1\n[tunnel.b]\ncheck = 1\n") ==
             "a.conf:2: foo: is not an option\n"
             "a.conf:4: [x]: must be [tunnel.NAME], the name of up to 32 letters, digits, '.', "
             "'-' and '_'\n"
             "a.conf:8: local: is given more than once, at a.conf:7 too\n"
             "a.conf:9: tun: is for the whole process: it must stand before the first "
             "[tunnel.NAME]\n"
             "a.conf:10: bla: must be followed by = and a value\n"
             "a.conf:11: ipv4-only: is for the whole process: it must stand before the first "
             "[tunnel.NAME]\n"
             "a.conf:13: check: can stand on the command line alone\n"
             "a.conf:3: local 1: must stand in a [tunnel.NAME] section, since there are some\n"
             "a.conf:7: local 3: must be IPv4:PORT or [IPv6]:PORT, the address a literal, the port "
             "1 to 65535\n"
             "a.conf:6: remote: is required, for example vpn.example.net:443\n"
             "a.conf:12: local: is required, for example 127.0.0.1:51820\n"
             "a.conf:12: remote: is required, for example vpn.example.net:443\n"
             "a.conf:1: mtu 5: must be 576 to 65535\n");
  BOOST_TEST(errors("idle-timeout = x\n" + one + two, {"--local=127.0.0.1:1"}) ==
             "--local 127.0.0.1:1: cannot go with the [tunnel.NAME] sections of --config\n"
             "a.conf:1: idle-timeout x: must be 1 to 604800\n");
  BOOST_TEST(errors("daemonize = maybe\nlog-output =\n" + one) ==
             "a.conf:1: daemonize maybe: must be yes or no\n"
             "a.conf:2: log-output: needs a value\n");
}

BOOST_AUTO_TEST_CASE(two_tunnels_on_one_address_are_an_error_that_names_both) {
  const std::string third = "[tunnel.three]\nlocal = 0.0.0.0:1002\nremote = 192.0.2.1:445\n";
  BOOST_TEST(errors(one + two + third) ==
             "a.conf:8: local 0.0.0.0:1002: of tunnel three is that of tunnel two too "
             "(a.conf:4)\n");
  BOOST_TEST(errors("[tunnel.a]\nlocal=443\nremote=127.0.0.1:1\n"
                    "[tunnel.b]\nlocal=443\nremote=127.0.0.1:2\n",
                    {}, role::server) ==
             "a.conf:5: local 443: of tunnel b is that of tunnel a too (a.conf:1)\n");
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_read_is_an_error) {
  const auto r = load_settings(
      role::client, parse_command_line(role::client, {"--config", "/nonexistent/a.conf"}));
  BOOST_TEST_REQUIRE(!r.has_value());
  BOOST_TEST(r.error().front().to_string() ==
             "--config /nonexistent/a.conf: cannot be read: No such file or directory");
}

BOOST_AUTO_TEST_CASE(values_and_the_files_that_they_name_are_judged_together) {
  const auto r = load_settings(
      role::server,
      parse_command_line(role::server, {"-l", "4567", "-r", "127.0.0.1:7000", "--accept", "x",
                                        "--max-sessions", "0", "--handshake-packet", "/nonexistent",
                                        "--encryption-file", "/nonexistent2"}));
  BOOST_TEST_REQUIRE(!r.has_value());
  std::vector<std::string> options;
  for (const auto& e : r.error())
    options.push_back(e.option);
  BOOST_TEST(options == (std::vector<std::string>{"--accept", "--max-sessions", "--encryption-file",
                                                  "--handshake-packet"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(no_packet_is_too_large_for_an_mtu_that_is_wrong) {
  write("packet", std::string(1'000, 'x'));
  BOOST_TEST(errors("mtu = 5\n" + one + "handshake-packet = packet\n") ==
             "a.conf:1: mtu 5: must be 576 to 65535\n");
}

BOOST_AUTO_TEST_CASE(keys_come_from_files_that_others_cannot_read) {
  write("key", "xor:a # b\n", 0640);
  const auto r = load(one + "encryption-file = key\n");
  BOOST_TEST_REQUIRE(r.has_value());
  BOOST_TEST((*r->run.tunnels.front()->cipher == tonel::protocol::xor_cipher{"a # b"}));
  BOOST_TEST(summary_text(*r).find("a # b") == std::string::npos);
  for (const mode_t mode : {0644, 0604, 0660, 0602}) {
    write("key", "xor:secret\n", mode);
    BOOST_TEST(errors(one + "encryption-file = key\n") ==
               "a.conf:4: encryption-file key: must be closed to others: chmod go-w,o-rwx it\n");
  }
  write("key", "secret\n", 0600);
  BOOST_TEST(errors(one + "encryption-file = key\n") ==
             "a.conf:4: encryption-file key: the content must be xor:KEY\n");
  BOOST_TEST(errors(one + "encryption = secret\n") == "a.conf:4: encryption: must be xor:KEY\n");
  write("a.d/b.conf", two + "encryption = xor:secret\n", 0644);
  BOOST_TEST(errors(one).find("a.d/b.conf:4: encryption: must not stand in a file") == 0u);
}

BOOST_AUTO_TEST_CASE(of_two_keys_the_one_nearer_to_the_command_line_counts) {
  write("key", "xor:file\n");
  const auto top = load("encryption-file = key\n" + one + "encryption = xor:own#1\n" + two);
  BOOST_TEST_REQUIRE(top.has_value());
  BOOST_TEST((*top->run.tunnels[0]->cipher == tonel::protocol::xor_cipher{"own#1"}));
  BOOST_TEST((*top->run.tunnels[1]->cipher == tonel::protocol::xor_cipher{"file"}));
  BOOST_TEST(errors(one + "encryption = xor:a\nencryption-file = key\n") ==
             "a.conf:5: encryption-file key: cannot go with encryption\n");
}

BOOST_AUTO_TEST_CASE(what_a_reload_cannot_change_is_named) {
  const auto before = load("mtu = 1400\n" + one);
  const auto after = load("mtu = 1300\nipv4-only = yes\nidle-timeout = 5\n" + two);
  BOOST_TEST_REQUIRE((before && after));
  BOOST_TEST(changed_process_options(*before, *after) == "ipv4-only, mtu");
  BOOST_TEST(changed_process_options(*before, *before) == "");
}

BOOST_AUTO_TEST_SUITE_END()
