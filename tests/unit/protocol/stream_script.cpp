#include "tests/unit/protocol/stream_script.hpp"

#include "protocol/run.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <variant>

namespace tonel::test {

using namespace protocol;

namespace {

constexpr time_point start = time_point{std::chrono::hours{7}};

long long ms(time_point at) { return (at - start) / std::chrono::milliseconds{1}; }

stream_config config_of(const script_setup& s) {
  stream_config c;
  const auto ours = s.v6 ? ip_address::parse("fd00::1") : ip_address::parse("192.168.200.2");
  const auto theirs = s.v6 ? ip_address::parse("2001:db8::2") : ip_address::parse("198.51.100.2");
  c.tuple = {{*ours, 40'000}, {*theirs, 443}};
  c.iss = {s.iss};
  c.ip_id = 100;
  c.seed = 4'711;
  c.mtu = s.mtu;
  c.session.id.fill(0x5e);
  c.session.secret.fill(0x5e);
  c.session.counter = 7;
  c.keepalive = s.keepalive;
  c.idle_timeout = s.idle_timeout;
  c.last_port = s.last_port;
  c.first_port = s.first_port;
  c.fellows = s.fellows;
  c.wire = s.wire;
  c.detect_legacy = s.detect_legacy;
  c.cookie = s.cookie;
  if (s.limited_answers) c.answers = std::make_shared<answer_limit>();
  if (s.client) c.join_token = static_cast<std::uint16_t>(s.iss);
  if (s.handshake_packet > 0)
    c.handshake_packet = std::make_shared<std::vector<std::uint8_t>>(s.handshake_packet, 'h');
  return c;
}

hello_repr peer_hello(const script_setup& s, std::uint32_t offset) {
  hello_repr h;
  h.offset = offset;
  h.control_length = offset + hello_size;
  h.session.fill(0x5e);
  h.secret.fill(0x5e);
  h.introduces = !s.client;
  h.counter = 7;
  h.client_iss = {s.client ? s.iss : s.irs};
  h.server_iss = {s.client ? s.irs : s.iss};
  h.keepalive = s.keepalive;
  h.mtu = s.peer_mtu;
  return h;
}

stream make(const script_setup& s) {
  if (s.client) return stream::connect(config_of(s));
  if (s.wire != profile::native) return stream::accept_legacy(config_of(s), {s.irs}, start);
  return stream::accept(config_of(s), peer_hello(s, 0), {s.irs}, start);
}

std::string flags_of(std::uint8_t flags) {
  std::string out;
  for (const auto& [bit, letter] :
       {std::pair{flag::syn, 'S'}, std::pair{flag::fin, 'F'}, std::pair{flag::rst, 'R'},
        std::pair{flag::psh, 'P'}, std::pair{flag::ack, 'A'}})
    if ((flags & bit) != 0) out += letter;
  return out;
}

std::uint8_t flags_from(const std::string& letters) {
  std::uint8_t out = 0;
  for (const char c : letters)
    out = static_cast<std::uint8_t>(out | (c == 'S'   ? flag::syn
                                           : c == 'F' ? flag::fin
                                           : c == 'R' ? flag::rst
                                           : c == 'P' ? flag::psh
                                           : c == 'A' ? flag::ack
                                                      : 0));
  return out;
}

long long number_after(const std::string& text, const char* mark, long long otherwise) {
  const auto at = text.find(mark);
  return at == std::string::npos ? otherwise : std::atoll(text.c_str() + at + std::strlen(mark));
}

} // namespace

stream_script::stream_script(const script_setup& setup)
    : setup_(setup), config_(config_of(setup)), stream_(make(setup)), now_(start) {}

std::string stream_script::describe(const segment_header& header, std::size_t length) {
  last_ = header;
  if (header.window != 65'535 && (header.flags & flag::syn) == 0) question_ = header.window;
  const bool ack = (header.flags & flag::ack) != 0;
  if (setup_.wire != profile::native && header.flags == flag::ack && length == 0 &&
      header.ack.raw == 0 && header.seq.raw <= 1)
    return header.seq.raw == 0 ? "probe" : "reply";
  auto out = flags_of(header.flags) + ' ' + std::to_string(header.seq - seq_num{setup_.iss}) + ':' +
             std::to_string(ack ? header.ack - seq_num{setup_.irs} : 0);
  if (length > 0) out += '(' + std::to_string(length) + ')';
  return out;
}

namespace {

/// Of effects that say nothing but what they are.
struct name_of {
  const char* operator()(const hold_segment&) const { return "hold"; }
  const char* operator()(const replay_held&) const { return "replay"; }
  const char* operator()(const opened&) const { return "opened"; }
  const char* operator()(const greeted&) const { return "greeted"; }
  const char* operator()(const went_silent& e) const { return e.only_worn ? "worn" : "silent"; }
  const char* operator()(const recovered&) const { return "recovered"; }
  const char* operator()(const went_idle&) const { return "idle"; }
  const char* operator()(const became_active&) const { return "active"; }
  const char* operator()(const try_new_port&) const { return "new port"; }
  const char* operator()(const window_unscaled&) const { return "unscaled"; }
  const char* operator()(const forgotten&) const { return "forgotten"; }
  const char* operator()(const spoke_otherwise&) const { return "strange"; }
  const char* operator()(const packet_undelivered&) const { return "undelivered"; }
  const char* operator()(const peer_is_legacy&) const { return "peer is legacy"; }
  template <class Other> const char* operator()(const Other&) const { return ""; }
};

} // namespace

std::string stream_script::describe(const effects& list) {
  std::string out;
  for (const auto& e : list) {
    if (!out.empty()) out += " | ";
    if (const auto* s = std::get_if<send_segment>(&e)) {
      last_payload_.assign(s->payload.begin(), s->payload.end());
      out += describe(s->header, s->payload.size());
    } else if (const auto* d = std::get_if<deliver>(&e)) {
      out += "deliver " + std::to_string(d->offset) + '+' + std::to_string(d->length);
    } else if (const auto* m = std::get_if<mtu_changed>(&e)) {
      out += "mtu " + std::to_string(m->max_datagram);
    } else if (const auto* c = std::get_if<count_drop>(&e)) {
      out += std::string{"drop "} + to_string(c->reason);
      if (c->datagrams != 1) out += " x" + std::to_string(c->datagrams);
    } else if (const auto* x = std::get_if<ended>(&e)) {
      out += std::string{"ended "} + to_string(x->why);
    } else {
      out += std::visit(name_of{}, e);
    }
  }
  return out;
}

effects stream_script::receive_raw(const std::string& event) {
  char letters[8] = {};
  segment_repr in;
  if (std::sscanf(event.c_str(), "%*s %7[A-Z] %u:%u", letters, &in.seq.raw, &in.ack.raw) != 3)
    throw std::invalid_argument{event};
  in.tuple = config_.tuple;
  in.flags = flags_from(letters);
  in.window = 65'535;
  if (in.has(flag::syn)) in.window_scale = 14;
  if (event.find(" native") != std::string::npos) in.sack_permitted = true;
  in.payload_length = static_cast<std::uint32_t>(number_after(event, "(", 0));
  in.datagram_size = static_cast<std::uint32_t>(number_after(event, "/", in.payload_length));
  const std::vector<std::uint8_t> payload(in.payload_length);
  return stream_.on_segment(in, payload, now_);
}

effects stream_script::receive(const std::string& event, bool hello) {
  char letters[8] = {};
  long long seq = 0, ack = 0;
  if (std::sscanf(event.c_str(), "%*s %7[A-Z] %lld:%lld", letters, &seq, &ack) != 3)
    throw std::invalid_argument{event};
  segment_repr in;
  in.tuple = config_.tuple;
  in.flags = flags_from(letters);
  in.seq = seq_num{setup_.irs} + static_cast<std::uint32_t>(seq);
  in.ack = seq_num{setup_.iss} + static_cast<std::uint32_t>(ack);
  in.window = in.has(flag::syn) ? setup_.peer_window : std::uint16_t{65'535};
  if (in.has(flag::syn)) {
    in.mss = setup_.peer_mss;
    in.sack_permitted = true;
    in.window_scale = static_cast<std::int8_t>(event.find(" -") == std::string::npos ? 14 : -1);
  } else if (event.find(" =") != std::string::npos) {
    in.window = question_;
  }
  in.payload_length = static_cast<std::uint32_t>(number_after(event, "(", 0));
  in.datagram_size = static_cast<std::uint32_t>(number_after(event, "/", in.payload_length));
  std::vector<std::uint8_t> payload(in.payload_length);
  if (hello) {
    const auto at = static_cast<std::uint32_t>(number_after(event, "@", 0));
    const auto relative = static_cast<std::uint32_t>(seq) - 1 + at;
    const auto encoded = encode_hello(peer_hello(setup_, relative), config_.session.secret);
    std::copy(encoded.begin(), encoded.end(), payload.begin() + at);
  }
  return stream_.on_segment(in, payload, now_);
}

std::string stream_script::step(const char* text) {
  const std::string event{text};
  const auto word = event.substr(0, event.find(' '));
  if (word == "open") return describe(stream_.open(now_));
  if (word == "in") return describe(receive(event, false));
  if (word == "raw") return describe(receive_raw(event));
  if (word == "hello") return describe(receive(event, true));
  if (word == "send" || word == "run") {
    unsigned size = 0, count = 1;
    std::sscanf(text, "%*s %u %u", &size, &count);
    const auto admitted = stream_.admit(size, count, now_);
    if (admitted == 0) return "full";
    const auto length = size * admitted;
    return describe(stream_.data_header(length, admitted, event.back() == '!', now_), length);
  }
  if (word == "timer") return describe(stream_.on_timer(now_));
  if (word == "resume") return describe(stream_.on_resume(now_));
  if (word == "close") return describe(stream_.close(now_, false));
  if (word == "exit") return describe(stream_.close(now_, true));
  if (word == "reset") return describe(stream_.reset(now_));
  if (word == "supersede") return describe(stream_.supersede(now_));
  if (word == "big") {
    long long seq = 0;
    packet_too_big icmp;
    std::sscanf(text, "%*s %lld %u", &seq, &icmp.mtu);
    icmp.quoted = config_.tuple;
    icmp.seq = seq_num{setup_.iss} + static_cast<std::uint32_t>(seq);
    icmp.ack = stream_.rcv_nxt();
    return describe(stream_.on_too_big(icmp, now_));
  }
  if (word == "lost") { // ICMP about a SYN of this number
    long long seq = 0;
    std::sscanf(text, "%*s %lld", &seq);
    packet_undelivered icmp;
    icmp.quoted = config_.tuple;
    icmp.seq = seq_num{setup_.iss} + static_cast<std::uint32_t>(seq);
    return describe(stream_.on_undelivered(icmp));
  }
  throw std::invalid_argument{event};
}

void stream_script::run(std::initializer_list<row> rows) {
  for (const auto& r : rows) {
    BOOST_TEST_CONTEXT("at " << r.at.count() << " ms: " << r.event << ", iss " << setup_.iss) {
      const auto at = start + r.at;
      const auto due = stream_.deadline();
      if (std::strcmp(r.event, "timer") == 0) {
        BOOST_REQUIRE(due.has_value());
        BOOST_TEST(ms(*due) == r.at.count());
      } else if (std::strcmp(r.event, "resume") != 0 && due && *due < at) {
        BOOST_ERROR("a timer was due at " << ms(*due) << " ms");
      }
      now_ = at;
      BOOST_TEST(step(r.event) == r.expected);
      const auto next = stream_.deadline();
      if (std::strcmp(r.event, "timer") == 0) BOOST_TEST((!next || *next > now_));
    }
  }
}

std::vector<script_setup> stream_script::everywhere(const script_setup& setup) {
  constexpr std::uint32_t starts[] = {1'000, 0xffff'ffff, 0xffff'ffce, 0x7fff'ffff, 0x7fff'ff00};
  std::vector<script_setup> out;
  for (const auto iss : starts)
    for (const auto irs : starts) {
      out.push_back(setup);
      out.back().iss = iss;
      out.back().irs = irs;
    }
  return out;
}

void run_everywhere(const script_setup& setup, std::initializer_list<row> opening,
                    std::initializer_list<row> rows) {
  for (const auto& placed : stream_script::everywhere(setup)) {
    stream_script s{placed};
    s.run(opening);
    s.run(rows);
  }
}

void run_open_server(script_setup setup, std::chrono::milliseconds open_at,
                     std::initializer_list<row> rows) {
  setup.client = false;
  run_everywhere(setup, {{{}, "hello PA 1:1(76)", "PA 1:77(76)"}, {open_at, "in A 77:77", ""}},
                 rows);
}

} // namespace tonel::test
