// Input: one octet of options, then events; each is an octet that says what happens and how much
// time passes before it, and the octets that it needs. Whatever a peer of an older dialect does, it
// never gets from us what its application would take for a datagram.

#include "protocol/acceptor.hpp"
#include "protocol/wire.hpp"
#include "tests/fuzz/stream_run.hpp"

#include <vector>

using namespace tonel::protocol;
using namespace tonel::fuzz;
using namespace std::chrono_literals;

namespace {

const syn_cookie cookie{{1, 2, 3}};

class run final : public stream_run {
public:
  run(reader& in, std::uint8_t options) : stream_run(in, (options & 1) != 0, make(options)) {
    if (client_) examine(stream_.open(now_), 0);
  }

private:
  void on_event(int kind, bool option) override {
    switch (kind) {
    case 9: examine(stream_.on_resume(now_), 0); break;
    case 10: examine(stream_.close(now_, option), 0); break;
    case 11: examine(stream_.reset(now_), 0); break;
    case 12: examine(stream_.supersede(now_), 0); break;
    case 13:
    case 14: data(); break;
    default: segment(kind, option); break;
    }
  }

  static stream make(std::uint8_t options) {
    const bool client = (options & 1) != 0;
    constexpr profile kinds[] = {profile::legacy, profile::tonel, profile::phantun,
                                 profile::legacy};
    stream_config config;
    config.tuple = tuple();
    config.wire = kinds[options >> 1 & 3];
    config.keepalive = 20s;
    config.idle_timeout = (options & 0x40) != 0 ? 60s : 0s;
    config.last_port = (options & 0x20) != 0;
    config.cookie = &cookie;
    if ((options & 0x80) != 0)
      config.handshake_packet = std::make_shared<octets>(100, std::uint8_t{'h'});
    if (client) return stream::connect(config);
    config.iss = {40'000};
    return stream::accept_legacy(config, {(options & 0x10) != 0 ? 1'234u : 0u}, time_point{});
  }

  void segment(int kind, bool spoilt) {
    segment_repr in;
    in.tuple = tuple();
    in.flags = flag::ack;
    in.seq = stream_.rcv_nxt();
    in.ack = stream_.snd_nxt();
    octets payload;
    bool native_syn = false;
    switch (kind) {
    case 0: // data, or empty
    case 1:
      in.seq = in.seq + (in_.octet() - 20u);
      payload.resize(in_.octet() * 11u);
      break;
    case 2: in.seq = {0}, in.ack = {0}; break;
    case 3: in.seq = {1}, in.ack = {0}; break;
    case 4: in.flags = in_.octet(), in.seq = {in_.word()}, in.ack = {in_.word()}; break;
    case 5: in.flags |= flag::syn, in.seq = {in_.word() & 0x1'ffff}; break;
    case 6:
      in.flags = flag::syn;
      in.seq = {in_.octet() & 1u};
      native_syn = spoilt;
      break;
    case 7: in.flags = flag::rst, in.seq = in.seq + (in_.octet() - 3u); break;
    default:
      in.seq = seq_num{1};
      in.ack = seq_num{cookie.token(tuple(), {0}, now_)} + 1;
      break;
    }
    if (spoilt && kind < 2) in.ack = {in_.octet() & 1u};
    if (in.has(flag::syn)) {
      in.window_scale = 14;
      in.sack_permitted = native_syn;
    }
    in.payload_length = static_cast<std::uint32_t>(payload.size());
    in.datagram_size = payload.empty() ? 0 : 1 + in_.octet() * 7u % in.payload_length;
    // A native client on this port means that the older peer is gone.
    peer_gone_ = in.has(flag::syn) && !is_legacy_syn(in);
    examine(stream_.on_segment(in, payload, now_), payload.size());
    peer_gone_ = false;
  }

  void data() {
    const auto size = in_.octet() * 5u, count = in_.octet() % 16 + 1u;
    if (const auto data = send(size, count))
      check(data->header.flags == flag::ack, "data has no PSH");
  }

  void sent(const send_segment& s) override {
    const auto& h = s.header;
    check((h.flags & (flag::fin | flag::psh)) == 0, "no FIN, no PSH");
    if ((h.flags & flag::syn) != 0) {
      check(h.mss == 0 && h.window == 65'535, "SYNs have the window scale alone");
      check(h.seq.raw <= 65'535, "SYNs start where theirs do");
      return;
    }
    if ((h.flags & flag::rst) != 0 || !s.payload.empty()) return;
    const bool probe = h.ack.raw == 0 && h.seq.raw <= 1;
    const bool third = client_ && !std::exchange(third_sent_, true);
    check(probe || third || peer_gone_ || stream_.wire() == profile::phantun,
          "a peer that may be tonel gets no ACK but the handshake's");
  }

  bool third_sent_ = false;
  bool peer_gone_ = false; ///< while it is answered that a native client has come in its place
};

} // namespace

std::vector<octets> tonel::fuzz::seeds() {
  std::vector<octets> out;
  for (unsigned options = 0; options < 0x100; options += 3) {
    octets b{static_cast<std::uint8_t>(options)};
    b.insert(b.end(), {5, 0, 0, 0x9c, 0x41}); // SYN-ACK
    b.insert(b.end(), {3, 0, 20, 20, 200, 0, 20, 0, 13, 200, 3, 2, 0x40 + 13, 100, 1});
    auto silent = b;
    silent.insert(silent.end(), {0x8f, 0x8f, 0x8f, 0x8f, 0x8f, 0x8f, 0x8f});
    auto anew = b;
    anew.insert(anew.end(), {0x86, 0, 8, 0, 20, 10, 0x86, 0, 0x60 + 8});
    auto closed = b;
    closed.insert(closed.end(), {10, 0, 20, 10, 0x62, 0x86, 0, 0xc2});
    auto reset = b;
    reset.insert(reset.end(), {7, 100, 7, 4, 7, 3, 0x82});
    out.insert(out.end(), {b, silent, anew, closed, reset});
  }
  return out;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return run_input<run>(data, size);
}
