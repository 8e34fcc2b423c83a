#include "actors/app/settings/known_opening.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace tonel::actors::app {

namespace {

using protocol::byte_view;
using protocol::load_be16;
using protocol::load_be32;

struct beginning {
  std::string_view text;
  std::string_view name;
};

// The first octets of clients and servers. The order matters if one begins like another.
constexpr beginning beginnings[] = {
    {"GET ", "HTTP"},
    {"HEAD ", "HTTP"},
    {"POST ", "HTTP"},
    {"PUT ", "HTTP"},
    {"DELETE ", "HTTP"},
    {"CONNECT ", "HTTP"},
    {"OPTIONS sip:", "SIP"},
    {"OPTIONS rtsp", "RTSP"},
    {"OPTIONS * RTSP/", "RTSP"},
    {"OPTIONS ", "HTTP"},
    {"TRACE ", "HTTP"},
    {"PATCH ", "HTTP"},
    {"HTTP/1.", "HTTP"},
    {"PRI * HTTP/2", "HTTP"},
    {"SSH-", "SSH"},
    {"220 ", "SMTP or FTP"},
    {"220-", "SMTP or FTP"},
    {"EHLO ", "SMTP"},
    {"HELO ", "SMTP"},
    {"USER ", "FTP"},
    {"AUTH TLS", "FTP"},
    {"+OK", "POP3"},
    {"* OK", "IMAP"},
    {"SIP/2.0 ", "SIP"},
    {"REGISTER sip:", "SIP"},
    {"INVITE sip:", "SIP"},
    {"RTSP/1.0 ", "RTSP"},
    {"RTSP/2.0 ", "RTSP"},
    {"DESCRIBE rtsp", "RTSP"},
    {"ANNOUNCE rtsp", "RTSP"},
    {"SETUP rtsp", "RTSP"},
    {"PLAY rtsp", "RTSP"},
    {"PLAY_NOTIFY rtsp", "RTSP"},
    {"PAUSE rtsp", "RTSP"},
    {"RECORD rtsp", "RTSP"},
    {"REDIRECT rtsp", "RTSP"},
    {"TEARDOWN rtsp", "RTSP"},
    {"GET_PARAMETER rtsp", "RTSP"},
    {"SET_PARAMETER rtsp", "RTSP"},
    {"RFB 00", "VNC"},
    {"\x13"
     "BitTorrent protocol",
     "BitTorrent"},
};

bool begins_with(byte_view first, std::string_view text, std::size_t at = 0) noexcept {
  return first.size() >= at + text.size() &&
         std::equal(text.begin(), text.end(), first.begin() + at,
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

/// A record of SSL 3.0 to TLS 1.3 (RFC 8446 §5.1): change_cipher_spec to application_data.
bool is_tls(byte_view first) noexcept {
  return first.size() >= 5 && first[0] >= 20 && first[0] <= 23 && first[1] == 3 && first[2] <= 4;
}

/// A message with its length in front and one question (RFC 1035 §4.1.1, §4.2.2).
bool is_dns(byte_view first) noexcept {
  constexpr std::size_t header = 2 + 12;
  constexpr std::uint16_t opcode = 0x7800;
  return first.size() > header && load_be16(first, 0) + std::size_t{2} == first.size() &&
         (load_be16(first, 4) & opcode) == 0 && load_be16(first, 6) == 1 && first[header] < 64;
}

/// A length in the first octets, then its own name.
bool is_smb(byte_view first) noexcept {
  return first.size() > 8 && first[0] == 0 &&
         (begins_with(first, "\xffSMB", 4) || begins_with(first, "\xfeSMB", 4));
}

/// A connection request or its confirmation, within TPKT (RFC 1006 §6, ITU-T X.224 §13.3).
bool is_rdp(byte_view first) noexcept {
  return first.size() >= 7 && first[0] == 3 && first[1] == 0 &&
         load_be16(first, 2) == first.size() && (first[5] == 0xe0 || first[5] == 0xd0);
}

/// A CONNECT: one to four octets of length, then the name of the protocol (MQTT 3.1.1 §2.2.3,
/// §3.1).
bool is_mqtt(byte_view first) noexcept {
  if (first.empty() || first[0] != 0x10) return false;
  constexpr std::size_t last_of_length = 4;
  std::size_t at = 1;
  while (at < last_of_length && at < first.size() && (first[at] & 0x80) != 0)
    ++at;
  return begins_with(first, std::string_view{"\0\x04MQTT", 6}, at + 1) ||
         begins_with(first, std::string_view{"\0\x06MQIsdp", 8}, at + 1);
}

/// The start of a session, or the request for TLS, with the length in front.
bool is_postgres(byte_view first) noexcept {
  constexpr std::uint32_t version_3 = 3u << 16, ssl_request = 80'877'103;
  if (first.size() < 8 || load_be32(first, 0) != first.size()) return false;
  const auto code = load_be32(first, 4);
  return code == version_3 || code == ssl_request;
}

} // namespace

std::string_view known_opening(byte_view first) noexcept {
  for (const auto& each : beginnings)
    if (begins_with(first, each.text)) return each.name;
  if (is_tls(first)) return "TLS";
  if (is_dns(first)) return "DNS";
  if (is_smb(first)) return "SMB";
  if (is_rdp(first)) return "RDP";
  if (is_mqtt(first)) return "MQTT";
  if (is_postgres(first)) return "PostgreSQL";
  return {};
}

} // namespace tonel::actors::app
