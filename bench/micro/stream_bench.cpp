// The cost of a stream's fast path: one run received, one run sent. The argument is the number of
// datagrams of 1,400 octets in a run.

#include "protocol/stream.hpp"

#include <benchmark/benchmark.h>

#include <vector>

using namespace tonel::protocol;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t datagram_size = 1'400;
constexpr seq_num client_iss{1'000'000};

/// A server's stream that has read the client's hello, and what the client would send next.
struct opened_stream {
  time_point now{1h};
  hello_repr hello;
  stream server;
  segment_repr next;

  opened_stream() : hello(make_hello()), server(stream::accept(config(), hello, client_iss, now)) {
    next.tuple = config().tuple;
    next.flags = flag::ack;
    next.window = 65'535;
    next.seq = client_iss + 1;
    next.ack = config().iss + 1;
    next.payload_offset = 40;
    next.payload_length = next.datagram_size = hello_size;
    const auto encoded = encode_hello(hello, {});
    server.on_segment(next, encoded, now);
    next.seq = next.end();
    next.ack = server.snd_nxt();
  }

  static hello_repr make_hello() {
    hello_repr h;
    h.control_length = hello_size;
    h.session.fill(7);
    h.mtu = 1'500;
    return h;
  }
  static stream_config config() {
    stream_config c;
    c.tuple = {*endpoint::parse("192.0.2.2:443"), *endpoint::parse("192.0.2.1:40000")};
    c.iss = {5'000'000};
    c.session.id.fill(7);
    return c;
  }
};

void receive_run(benchmark::State& state) {
  opened_stream s;
  const auto datagrams = static_cast<std::uint32_t>(state.range(0));
  const std::vector<std::uint8_t> payload(std::size_t{datagrams} * datagram_size);
  s.next.payload_length = static_cast<std::uint32_t>(payload.size());
  s.next.datagram_size = datagram_size;
  std::uint64_t delivered = 0;
  for (auto _ : state) {
    s.now += 10us;
    const auto effects = s.server.on_segment(s.next, payload, s.now);
    delivered += effects.find<deliver>() != nullptr ? 1 : 0;
    s.next.seq = s.next.end();
  }
  if (delivered != static_cast<std::uint64_t>(state.iterations()))
    state.SkipWithError("not every run was delivered");
  state.SetItemsProcessed(state.iterations() * datagrams);
}
BENCHMARK(receive_run)->Arg(1)->Arg(46);

void send_run(benchmark::State& state) {
  opened_stream s;
  const auto datagrams = static_cast<std::uint32_t>(state.range(0));
  s.next.payload_length = s.next.datagram_size = 0;
  std::uint64_t sent = 0;
  for (auto _ : state) {
    s.now += 10us;
    const auto admitted = s.server.admit(datagram_size, datagrams, s.now);
    benchmark::DoNotOptimize(s.server.data_header(admitted * datagram_size, admitted, true, s.now));
    // The client acknowledges now and then, or the bound on unacknowledged octets is met.
    if (++sent % 64 == 0) {
      s.next.ack = s.server.snd_nxt();
      s.server.on_segment(s.next, {}, s.now);
    }
    if (admitted != datagrams) {
      state.SkipWithError("not every datagram was admitted");
      break;
    }
  }
  state.SetItemsProcessed(state.iterations() * datagrams);
}
BENCHMARK(send_run)->Arg(1)->Arg(46);

void deadline(benchmark::State& state) {
  opened_stream s;
  for (auto _ : state)
    benchmark::DoNotOptimize(s.server.deadline());
}
BENCHMARK(deadline);

} // namespace
