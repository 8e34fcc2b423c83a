#include "actors/app/settings/known_opening.hpp"
#include "actors/app/settings/load.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

using namespace tonel::actors;
using namespace tonel::actors::app;
using namespace std::string_literals;

namespace {

std::vector<std::uint8_t> octets_of(const std::string& text) { return {text.begin(), text.end()}; }

std::string opening_of(const std::string& text) {
  return std::string{known_opening(octets_of(text))};
}

} // namespace

BOOST_AUTO_TEST_SUITE(known_opening_test)

BOOST_AUTO_TEST_CASE(protocols_are_known_by_what_their_ends_say_first) {
  struct row {
    std::string first;
    const char* name;
  };
  const std::string question =
      "\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07"s + "example\x03org\0\0\x01\0\x01"s;
  for (const auto& [first, name] : {
           row{"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"s, "TLS"}, // ClientHello
           row{"\x16\x03\x03\0\x7a\x02\0\0\x76\x03\x03"s, "TLS"},   // ServerHello
           row{"\x17\x03\x03\x05\0"s, "TLS"},
           row{"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "HTTP"},
           row{"POST /a HTTP/1.1\r\n", "HTTP"},
           row{"CONNECT example.org:443 HTTP/1.1\r\n", "HTTP"},
           row{"HTTP/1.1 200 OK\r\n", "HTTP"},
           row{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP"},
           row{"OPTIONS * HTTP/1.1\r\n", "HTTP"},
           row{"OPTIONS sip:a@example.org SIP/2.0\r\n", "SIP"},
           row{"OPTIONS rtsp://example.org/ RTSP/1.0\r\n", "RTSP"},
           row{"OPTIONS * RTSP/1.0\r\n", "RTSP"},
           row{"SETUP rtsp://example.org/a RTSP/1.0\r\n", "RTSP"},
           row{"PLAY rtsps://example.org/a RTSP/2.0\r\n", "RTSP"},
           row{"TEARDOWN rtsp://example.org/a RTSP/1.0\r\n", "RTSP"},
           row{"GET_PARAMETER rtsp://example.org/a RTSP/1.0\r\n", "RTSP"},
           row{"SSH-2.0-OpenSSH_9.2\r\n", "SSH"},
           row{"220 mail.example.org ESMTP\r\n", "SMTP or FTP"},
           row{"220-welcome\r\n", "SMTP or FTP"},
           row{"EHLO example.org\r\n", "SMTP"},
           row{"USER anonymous\r\n", "FTP"},
           row{"+OK ready\r\n", "POP3"},
           row{"* OK IMAP4rev1\r\n", "IMAP"},
           row{"RFB 003.008\n", "VNC"},
           row{"\x13"s + "BitTorrent protocol" + std::string(48, '\0'), "BitTorrent"},
           row{"\0"s + static_cast<char>(question.size()) + question, "DNS"},
           row{"\0\0\0\x2f\xffSMBr"s + std::string(40, '\0'), "SMB"},
           row{"\0\0\0\x44\xfeSMB@"s + std::string(60, '\0'), "SMB"},
           row{"\x03\0\0\x0b\x06\xe0\0\0\0\0\0"s, "RDP"},
           row{"\x10\x10\0\x04MQTT\x04\x02\0\x3c\0\x04test"s, "MQTT"},
           row{"\x10\xac\x02\0\x04MQTT\x05\xc2"s + std::string(292, 'x'), "MQTT"},
           row{"\x10\x80\x80\x01\0\x06MQIsdp\x03"s, "MQTT"},
           row{"\0\0\0\x08\x04\xd2\x16\x2f"s, "PostgreSQL"},
       })
    BOOST_TEST(opening_of(first) == name, first.substr(0, 20));
}

BOOST_AUTO_TEST_CASE(what_inspectors_do_not_know_is_nothing) {
  for (const auto& first : {
           ""s,
           "G"s,
           "GETTING started"s,
           "get / http/1.1\r\n"s,
           "\x16\x03"s,
           "\x16\x02\x01\0\x10"s,
           "\x18\x03\x03\0\x10"s,
           "220"s,
           "2200 mail"s,
           "hello"s,
           "\0\x10 too short"s,
           "\x9dtonel\n\x1a"s,
           "\0\0\0\x08\0\0\0\0"s,
           "SETUP "s,
           "PLAY it again"s,
           "\x10\xff\xff\xff\xff\xff\0\x04MQTT"s,
           std::string(1'400, '\0'),
           std::string(1'400, '\xff'),
       })
    BOOST_TEST(opening_of(first) == "", first.substr(0, 20));
}

BOOST_AUTO_TEST_CASE(every_beginning_of_an_opening_can_be_asked_for) {
  const auto whole = octets_of("\x03\0\0\x0b\x06\xe0\0\0\0\0\0"s);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const std::vector<std::uint8_t> part(whole.begin(),
                                         whole.begin() + static_cast<std::ptrdiff_t>(n));
    BOOST_TEST(known_opening(part).empty());
  }
}

BOOST_AUTO_TEST_CASE(a_check_warns_of_a_handshake_packet_that_the_rest_does_not_keep) {
  tunnel_config tunnel;
  tunnel.name = "office";
  settings chosen;
  const auto with = [&](const char* packet) {
    tunnel.handshake_packet =
        packet == nullptr ? nullptr
                          : std::make_shared<const std::vector<std::uint8_t>>(octets_of(packet));
    chosen.run.tunnels = {std::make_shared<const tunnel_config>(tunnel)};
    return warnings_of(chosen);
  };
  BOOST_TEST(with(nullptr).empty());
  BOOST_TEST(with("nothing that anyone knows").empty());
  BOOST_TEST(summary_text(chosen).find("warning") == std::string::npos);
  const auto warnings = with("GET / HTTP/1.1\r\n\r\n");
  BOOST_TEST_REQUIRE(warnings.size() == 1u);
  BOOST_TEST(warnings[0].find("tunnel office: the handshake packet starts like HTTP") == 0u);
  BOOST_TEST(summary_text(chosen).find("warning: " + warnings[0]) != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
