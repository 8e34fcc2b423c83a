// Input: one octet of options, then events; each is an octet that says what happens and how much
// time passes before it, and the octets that it needs. Whatever a peer of an older dialect does, it
// never gets from us what its application would take for a datagram.

#include "protocol/acceptor.hpp"
#include "protocol/stream.hpp"
#include "protocol/wire.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <vector>

using namespace tonel::protocol;
using namespace std::chrono_literals;
using tonel::fuzz::check;

namespace {

using octets = std::vector<std::uint8_t>;

const syn_cookie cookie{{1, 2, 3}};

/// Octets to take from; zeros when they have run out.
class reader {
public:
  reader(const std::uint8_t* data, std::size_t size) : bytes_(data, size) {}
  bool done() const { return at_ >= bytes_.size(); }
  std::uint8_t octet() { return done() ? std::uint8_t{0} : bytes_[at_++]; }
  std::uint32_t word() {
    std::uint32_t out = 0;
    for (int i = 0; i < 4; ++i)
      out = out << 8 | octet();
    return out;
  }

private:
  byte_view bytes_;
  std::size_t at_ = 0;
};

class run {
public:
  run(reader& in, std::uint8_t options)
      : in_(in), client_((options & 1) != 0), stream_(make(options, client_)) {
    if (client_) examine(stream_.open(now_), 0, false);
  }

  void step() {
    const auto what = in_.octet();
    constexpr duration waits[] = {0ms, 1ms, 150ms, 1s, 3s, 20s, 10min, 1h};
    now_ += waits[what >> 5];
    for (int spins = 0; stream_.deadline() && *stream_.deadline() <= now_; ++spins) {
      check(spins < 3, "a timer that was served is over");
      examine(stream_.on_timer(now_), 0, false);
    }
    switch (what & 15) {
    case 9: examine(stream_.on_resume(now_), 0, false); break;
    case 10: examine(stream_.close(now_, (what & 16) != 0), 0, false); break;
    case 11: examine(stream_.reset(now_), 0, false); break;
    case 12: examine(stream_.supersede(now_), 0, false); break;
    case 13:
    case 14: data(); break;
    default: segment(what & 15, (what & 16) != 0); break;
    }
  }

  void finish() {
    for (int timers = 0; stream_.deadline() && timers < 200; ++timers) {
      now_ = std::max(now_, *stream_.deadline());
      examine(stream_.on_timer(now_), 0, false);
    }
  }

private:
  static four_tuple tuple() {
    return {{ip_address::v4(198, 51, 100, 7), 40'000}, {ip_address::v4(192, 0, 2, 1), 443}};
  }

  static stream make(std::uint8_t options, bool client) {
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
    const bool gone = in.has(flag::syn) && !is_legacy_syn(in);
    examine(stream_.on_segment(in, payload, now_), payload.size(), gone);
  }

  void data() {
    const auto size = in_.octet() * 5u, count = in_.octet() % 16 + 1u;
    const auto admitted = stream_.admit(size, count, now_);
    check(admitted <= count, "no more is admitted than was asked for");
    check(admitted == 0 || stream_.is_open(), "only an open stream sends");
    if (admitted == 0) return;
    const auto seq = stream_.snd_nxt();
    const auto header = stream_.data_header(size * admitted, admitted, true, now_);
    check(header.seq == seq, "data goes out at SND.NXT");
    check(header.flags == flag::ack, "data has no PSH");
  }

  void examine(const effects& list, std::size_t payload, bool peer_gone) {
    check(list.size() <= effects::capacity, "effects fit");
    for (const auto& e : list) {
      if (const auto* s = std::get_if<send_segment>(&e)) {
        sent(*s, peer_gone);
      } else if (const auto* d = std::get_if<deliver>(&e)) {
        check(d->offset + d->length <= payload, "what is delivered lies in the segment");
      } else if (std::get_if<ended>(&e) != nullptr || std::get_if<try_new_port>(&e) != nullptr) {
        check(!ended_, "the end is said once");
        ended_ = true;
      } else if (std::get_if<forgotten>(&e) != nullptr) {
        check(ended_ && !forgotten_, "forgotten after the end, and once");
        forgotten_ = true;
        check(!stream_.deadline(), "what is forgotten waits for nothing");
      }
    }
  }

  void sent(const send_segment& s, bool peer_gone) {
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
    check(probe || third || peer_gone || stream_.wire() == profile::phantun,
          "a peer that may be tonel gets no ACK but the handshake's");
  }

  reader& in_;
  bool client_;
  stream stream_;
  time_point now_{};
  bool third_sent_ = false;
  bool ended_ = false;
  bool forgotten_ = false;
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
  reader in{data, size};
  run r{in, in.octet()};
  for (int events = 0; !in.done() && events < 500; ++events)
    r.step();
  r.finish();
  return 0;
}
