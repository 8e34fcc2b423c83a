// A client and a server talk to each other in memory, packet by packet, in virtual time: all that a
// program has to do around tonel::protocol. The number of a packet as argument loses that packet.
#include <tonel/protocol/acceptor.hpp>
#include <tonel/protocol/checksum.hpp>
#include <tonel/protocol/isn.hpp>
#include <tonel/protocol/run.hpp>
#include <tonel/protocol/session_proof.hpp>
#include <tonel/protocol/stream.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace tonel::protocol;
using namespace std::chrono_literals;
using octets = std::vector<std::uint8_t>;

namespace {

constexpr auto delay = 20ms;
const auto start = time_point{} + 1h;
const four_tuple as_client_sees_it{{ip_address::v4(198, 51, 100, 7), 40'000},
                                   {ip_address::v4(192, 0, 2, 1), 443}};

/// The path: what is sent arrives `delay` later.
struct path {
  struct packet {
    time_point at;
    bool to_server;
    octets bytes;
  };
  void send(bool to_server, octets bytes, time_point now) {
    const bool lose = ++sent == lost;
    print(to_server, bytes, lose, now);
    if (!lose) flying.push_back({now + delay, to_server, std::move(bytes)});
  }
  void print(bool to_server, const octets& bytes, bool lose, time_point now);

  std::deque<packet> flying;
  unsigned sent = 0;
  unsigned lost = 0; ///< the number of the packet to lose; 0: none
  std::optional<seq_num> first[2];
};

/// One line a packet; sequence numbers relative to the first of each direction.
void path::print(bool to_server, const octets& bytes, bool lose, time_point now) {
  const auto parsed = parse_packet(bytes, {});
  const auto& s = std::get<segment_repr>(*parsed);
  auto& ours = first[to_server ? 1 : 0];
  const auto& theirs = first[to_server ? 0 : 1];
  if (!ours) ours = s.seq;
  std::string flags;
  for (const auto& [bit, letter] :
       {std::pair{flag::syn, 'S'}, std::pair{flag::fin, 'F'}, std::pair{flag::rst, 'R'},
        std::pair{flag::psh, 'P'}, std::pair{flag::ack, 'A'}})
    if (s.has(bit)) flags += letter;
  std::printf("%2u %7.3f s  %s  %-2s seq %d ack %d length %u%s\n", sent,
              std::chrono::duration<double>(now - start).count(), to_server ? "-->" : "<--",
              flags.c_str(), s.seq - *ours, theirs && s.has(flag::ack) ? s.ack - *theirs : 0,
              s.payload_length, lose ? "  lost" : "");
}

/// One end. A real program has a map of streams by four_tuple; here there is one.
class host {
public:
  host(bool is_client, path& network) : client_(is_client), network_(network) {
    acceptor_config config;
    config.secret.fill(is_client ? 1 : 2); // real programs: random
    if (!is_client) config.ports[443];     // a client accepts nothing, and refuses by RST
    acceptor_.emplace(config);
  }

  void connect(time_point now) {
    stream_config config;
    config.tuple = as_client_sees_it;
    config.iss = client_isn({3}, config.tuple, now); // real programs: a secret of the process
    config.ip_id = 1;                                // and a random one
    config.session = claims_.next();
    config.last_port = true;
    stream_.emplace(stream::connect(config));
    run(stream_->open(now), {}, {}, now);
  }

  void on_packet(const octets& packet, time_point now) {
    const auto parsed = parse_packet(packet, {});
    if (!parsed) return; // to be counted
    if (const auto* icmp = std::get_if<packet_too_big>(&*parsed)) {
      if (stream_) run(stream_->on_too_big(*icmp, now), {}, {}, now);
      return;
    }
    const auto& in = std::get<segment_repr>(*parsed);
    const auto payload = byte_view{packet}.subview(in.payload_offset, in.payload_length);
    if (stream_)
      run(stream_->on_segment(in, payload, now), in, payload, now);
    else
      on_stray(in, payload, now);
    sweep();
  }

  void on_timer(time_point now) {
    if (stream_) run(stream_->on_timer(now), {}, {}, now);
    for (const auto& reset : acceptor_->on_timer(now))
      send(reset, {}, now);
    sweep();
  }

  std::optional<time_point> deadline() const {
    const auto held = acceptor_->deadline();
    const auto own = stream_ ? stream_->deadline() : std::nullopt;
    return !own || (held && *held < *own) ? held : own;
  }

  /// A datagram from the application.
  void submit(const std::string& text, time_point now) {
    const octets datagram{text.begin(), text.end()};
    const auto size = static_cast<std::uint32_t>(datagram.size());
    if (!stream_ || size > stream_->max_datagram() || stream_->admit(size, 1, now) == 0)
      return; // to be counted: a datagram may be lost, as with UDP
    send(stream_->data_header(size, 1, true, now), datagram, now);
  }

private:
  const char* name() const { return client_ ? "client" : "server"; }

  void send(const segment_header& header, byte_view payload, time_point now) {
    octets packet(header.size());
    write_partial_header(packet, header, payload.size());
    finish_checksum(packet, inet_checksum{}.add(payload));
    packet.insert(packet.end(), payload.begin(), payload.end());
    network_.send(client_, std::move(packet), now);
  }

  void on_stray(const segment_repr& in, byte_view payload, time_point now) {
    auto what = acceptor_->on_stray(in, payload, now);
    if (const auto* reply = std::get_if<reply_stray>(&what)) return send(reply->header, {}, now);
    auto* made = std::get_if<accept_stream>(&what);
    if (made == nullptr) return;
    // What a session's further streams, and copies of hellos, have to pass. Here there is one stream
    // a session, so each hello has to introduce a new one; real programs keep the proof by the id.
    const bool admitted =
        made->hello.introduces && session_proof{made->hello}.admit(made->hello).has_value();
    if (!admitted) return; // real programs: a RST, and the reason is counted
    stream_config config;
    config.tuple = in.tuple;
    config.iss = made->iss;
    stream_.emplace(stream::accept(config, made->hello, made->client_iss, now));
    run(stream_->on_segment(in, payload, now), in, payload, now);
    for (const auto& early : made->held)
      run(stream_->on_segment(early.segment, early.payload, now), early.segment, early.payload,
          now);
  }

  /// Does what the state machine asks for, in order. `in` and `payload` are the segment at hand.
  void run(const effects& list, const segment_repr& in, byte_view payload, time_point now) {
    for (const auto& what : list) {
      if (const auto* s = std::get_if<send_segment>(&what))
        send(s->header, s->payload, now);
      else if (const auto* d = std::get_if<deliver>(&what))
        deliver_datagrams(payload.subview(d->offset, d->length), in.datagram_size, now);
      else if (std::get_if<hold_segment>(&what) != nullptr)
        held_.push_back({in, {payload.begin(), payload.end()}});
      else if (std::get_if<replay_held>(&what) != nullptr)
        for (const auto& h : std::exchange(held_, {}))
          run(stream_->on_segment(h.segment, h.payload, now), h.segment, h.payload, now);
      else if (std::get_if<opened>(&what) != nullptr)
        submit("ping", now);
      else if (std::get_if<went_idle>(&what) != nullptr)
        run(stream_->close(now, false), {}, {}, now);
      else if (const auto* e = std::get_if<ended>(&what))
        std::printf("%s: ended, %s\n", name(), to_string(e->why));
      else if (std::get_if<forgotten>(&what) != nullptr)
        gone_ = true;
    }
  }

  /// Not while its effects are run.
  void sweep() {
    if (!std::exchange(gone_, false)) return;
    std::printf("%s: stream forgotten\n", name());
    stream_.reset();
  }

  /// A packet may carry several datagrams, where the kernel has merged them.
  void deliver_datagrams(byte_view data, std::uint32_t size, time_point now) {
    const auto length = static_cast<std::uint32_t>(data.size());
    for (std::uint32_t i = 0; i < datagrams_in(length, size); ++i) {
      const auto one = data.subview(i * size, std::min(size, length - i * size));
      const std::string text{one.begin(), one.end()};
      std::printf("%s: datagram \"%s\"\n", name(), text.c_str());
      if (text == "ping")
        submit("pong", now);
      else // the answer: all is said
        run(stream_->close(now, false), {}, {}, now);
    }
  }

  bool client_;
  path& network_;
  session_claims claims_{{3}, {3}}; // real programs: random
  std::optional<acceptor> acceptor_;
  std::optional<stream> stream_;
  std::vector<held_segment> held_;
  bool gone_ = false;
};

} // namespace

int main(int argc, char** argv) {
  path network;
  network.lost = argc > 1 ? static_cast<unsigned>(std::strtoul(argv[1], nullptr, 10)) : 0;
  host client{true, network}, server{false, network};
  client.connect(start);
  for (;;) {
    // The next thing to happen: a packet that arrives, or a deadline.
    std::optional<time_point> next;
    if (!network.flying.empty()) next = network.flying.front().at;
    for (const auto& at : {client.deadline(), server.deadline()})
      if (at && (!next || *at < *next)) next = at;
    if (!next) return 0;
    if (!network.flying.empty() && network.flying.front().at == *next) {
      const auto packet = std::move(network.flying.front());
      network.flying.pop_front();
      (packet.to_server ? server : client).on_packet(packet.bytes, *next);
    } else {
      client.on_timer(*next);
      server.on_timer(*next);
    }
  }
}
