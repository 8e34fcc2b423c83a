// Input: one octet of options, then events; each is an octet that says what happens and how much
// time passes before it, and the octets that it needs.

#include "tests/fuzz/stream_run.hpp"

#include <algorithm>
#include <vector>

using namespace tonel::protocol;
using namespace tonel::fuzz;

namespace {

constexpr seq_num client_iss{0xffff'ffe0}; // the numbers wrap soon
constexpr seq_num server_iss{0x7fff'fff0};

/// One stream, with what it has promised so far.
class run final : public stream_run {
public:
  run(reader& in, std::uint8_t options)
      : stream_run(in, (options & 1) != 0, make(options)), irs_(client_ ? server_iss : client_iss),
        acked_(irs_), highest_(stream_.rcv_nxt()) {
    if (client_) examine(stream_.open(now_), 0);
  }

private:
  void on_event(int kind, bool option) override {
    switch (kind) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5: segment((kind & 1) != 0, option); break;
    case 6:
    case 7:
    case 8: data(); break;
    case 9: {
      packet_too_big icmp;
      icmp.quoted = tuple();
      icmp.seq = stream_.snd_nxt() - in_.word();
      icmp.mtu = in_.word();
      if (option) icmp.ack = stream_.rcv_nxt() - (in_.word() & 0x1fff);
      icmp.ip_id = static_cast<std::uint16_t>(in_.octet());
      examine(stream_.on_too_big(icmp, now_), 0);
      check(stream_.max_datagram() >= 536, "no ICMP makes datagrams tiny");
      break;
    }
    case 10: examine(stream_.on_resume(now_), 0); break;
    case 11: examine(stream_.close(now_, option), 0); break;
    case 12: examine(stream_.reset(now_), 0); break;
    case 13: examine(stream_.supersede(now_), 0); break;
    case 14: far_ahead(option); break;
    default: examine(stream_.on_timer(now_), 0); break;
    }
  }

  static stream make(std::uint8_t options) {
    const bool client = (options & 1) != 0;
    stream_config config;
    config.tuple = tuple();
    config.iss = client ? client_iss : server_iss;
    config.keepalive = std::chrono::seconds{options >> 1 & 0x1f};
    config.idle_timeout = std::chrono::seconds{(options & 0x40) != 0 ? 60 : 0};
    if ((options & 0x80) != 0)
      config.handshake_packet = std::make_shared<octets>(100, std::uint8_t{'h'});
    if (client) return stream::connect(config);
    hello_repr hello;
    hello.offset = (options & 0x80) != 0 ? 100 : 0;
    hello.control_length = hello.offset + hello_size;
    hello.keepalive = std::chrono::seconds{options >> 1 & 0x1f};
    return stream::accept(config, hello, client_iss, time_point{});
  }

  /// Near what is expected, or anywhere.
  void segment(bool near, bool hello) {
    segment_repr in;
    in.tuple = tuple();
    in.flags = in_.octet();
    if (near) {
      in.flags &= flag::psh | flag::syn;
      in.flags |= flag::ack;
    }
    const auto seq = in_.word(), ack = in_.word();
    in.seq = near ? stream_.rcv_nxt() + ((seq & 0xfff) - 0x7ff) : irs_ + seq;
    in.ack = stream_.snd_nxt() - (near ? ack & 0x3f : ack);
    if (in.has(flag::syn)) {
      in.seq = irs_;
      in.mss = static_cast<std::uint16_t>(seq);
      in.window = static_cast<std::uint16_t>(ack);
      in.window_scale = static_cast<std::int8_t>((ack & 3) == 0 ? -1 : 14);
    } else {
      in.window = (seq & 0x1000) != 0 ? question_ : static_cast<std::uint16_t>(seq >> 16);
    }
    octets payload(in_.octet() * 11u);
    if (hello && payload.size() >= hello_size) {
      hello_repr h;
      h.offset = in.seq.raw - irs_.raw - 1;
      h.control_length = h.offset + hello_size;
      h.mtu = static_cast<std::uint16_t>(seq);
      const auto encoded = encode_hello(h, {});
      std::copy(encoded.begin(), encoded.end(), payload.begin());
    }
    in.payload_length = static_cast<std::uint32_t>(payload.size());
    in.datagram_size = payload.empty() ? 0 : 1 + in_.octet() * 7u % in.payload_length;
    const auto before = stream_.rcv_nxt();
    const bool first_syn = in.has(flag::syn);
    const auto did = stream_.on_segment(in, payload, now_);
    const auto after = stream_.rcv_nxt();
    if (!first_syn) {
      // A FIN out of its place is left out.
      check(after == before || after == in.end() || (in.has(flag::fin) && after == in.end() - 1),
            "RCV.NXT moves to the end of what arrived");
      check(after >= before, "RCV.NXT never goes back");
    }
    highest_ = after;
    examine(did, payload.size());
  }

  /// Data behind an outage, which is believed only where the peer confirms it.
  void far_ahead(bool confirmed) {
    segment_repr in;
    in.tuple = tuple();
    in.flags = flag::ack;
    in.seq = stream_.rcv_nxt() + (in_.word() >> 2);
    in.ack = stream_.snd_nxt();
    in.window = confirmed ? question_ : std::uint16_t{65'535};
    const auto before = stream_.rcv_nxt();
    examine(stream_.on_segment(in, {}, now_), 0);
    check(stream_.rcv_nxt() == before || (confirmed && stream_.rcv_nxt() == in.seq),
          "RCV.NXT jumps where the peer has confirmed it alone");
  }

  void data() {
    const auto size = in_.octet() * 13u, count = in_.octet() + 1u;
    const auto data = send(size, count);
    if (!data) return;
    check(stream_.snd_nxt() == data->header.seq + data->length, "SEQ advances by the payload");
    examine_ack(data->header.ack);
  }

  void examine_ack(seq_num ack) {
    check(ack >= acked_, "the ack never goes back");
    check(ack <= highest_, "nothing is acknowledged that did not arrive");
    acked_ = ack;
  }

  void examine(const effects& list, std::size_t payload) override {
    highest_ = stream_.rcv_nxt();
    stream_run::examine(list, payload);
  }

  void sent(const send_segment& s) override {
    if ((s.header.flags & flag::ack) != 0) examine_ack(s.header.ack);
    check(s.payload.size() <= 100, "only control is sent so");
    if (s.payload.empty() && s.header.flags == flag::ack && s.header.window != 65'535)
      question_ = s.header.window;
  }

  seq_num irs_;
  seq_num acked_;
  seq_num highest_;
  std::uint16_t question_ = 65'535; ///< the window of the last keepalive
};

void put_word(octets& out, std::uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<std::uint8_t>(v >> shift));
}

/// A segment near what is expected, at once.
void put_segment(octets& out, std::uint8_t flags, std::uint32_t ahead, std::uint8_t elevens,
                 bool hello) {
  out.push_back(hello ? 16 + 1 : 1);
  out.push_back(flags);
  put_word(out, 0x7ff + ahead);
  put_word(out, 0);
  out.push_back(elevens);
  out.push_back(200);
}

} // namespace

std::vector<octets> tonel::fuzz::seeds() {
  std::vector<octets> out;
  for (const auto options : octets{0x28, 0x29, 0x68, 0x69, 0xa8, 0xa9, 0x00, 0x01}) {
    octets b{options};
    if ((options & 1) != 0) {
      put_segment(b, flag::syn, 0, 0, false);
      put_segment(b, 0, 100, 20, false); // early data
    }
    put_segment(b, flag::psh, 0, 20, true);
    put_segment(b, 0, 0, 100, false);
    put_segment(b, flag::psh, 0, 0, false);
    b.insert(b.end(), {6, 100, 40, 0x60 + 6, 100, 0}); // data, and a second later again
    auto silent = b;
    silent.insert(silent.end(), {0x8f, 0x6f, 0x6f, 0x6f, 0x6f, 0xaf});
    auto closed = b;
    closed.insert(closed.end(), {11, 0x6f, 0x6f, 0x8f, 0xaf});
    auto superseded = b;
    superseded.insert(superseded.end(), {13, 0x8f, 0x6f, 0xaf});
    auto outage = b;
    for (const auto confirmed : octets{14, 30}) {
      outage.push_back(confirmed);
      put_word(outage, 0x4000'0000);
    }
    out.push_back(outage);
    auto reset = b;
    reset.push_back(12);
    put_segment(reset, 0, 0, 0, false);
    out.insert(out.end(), {b, silent, closed, superseded, reset});
  }
  return out;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return run_input<run>(data, size);
}
