// The cost of checksums, headers and runs. The argument is the payload or datagram size.

#include "protocol/checksum.hpp"
#include "protocol/packet.hpp"
#include "protocol/run.hpp"
#include "tests/support/packets.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>

using namespace tonel::protocol;
using namespace tonel::test;

namespace {

void set_bytes(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

octets packet_of(const benchmark::State& state, bool v6 = false) {
  tcp_fields f;
  f.payload = counting(static_cast<std::size_t>(state.range(0)));
  return tcp_packet(f, v6).build();
}

segment_header header_of(bool v6, std::uint8_t flags) {
  segment_header h;
  h.tuple = {*endpoint::parse(v6 ? "[2001:db8::1]:40000" : "192.0.2.1:40000"),
             *endpoint::parse(v6 ? "[2001:db8::2]:443" : "192.0.2.2:443")};
  h.flags = flags;
  h.mss = 1'460;
  return h;
}

void checksum(benchmark::State& state) {
  const auto data = counting(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state)
    benchmark::DoNotOptimize(inet_checksum{}.add(data).finish());
  set_bytes(state);
}
BENCHMARK(checksum)->Arg(20)->Arg(200)->Arg(1'400)->Arg(65'495);

void parse(benchmark::State& state, bool v6, bool vouched) {
  const auto packet = packet_of(state, v6);
  const offload_repr offload{vouched, 1'400};
  for (auto _ : state)
    benchmark::DoNotOptimize(parse_packet(packet, offload));
}
// A packet that the kernel vouches for is not summed: what a super-segment costs.
BENCHMARK_CAPTURE(parse, v4_vouched, false, true)->Arg(1'400)->Arg(65'000);
BENCHMARK_CAPTURE(parse, v6_vouched, true, true)->Arg(1'400);
BENCHMARK_CAPTURE(parse, v4_summed, false, false)->Arg(200)->Arg(1'400)->Arg(65'000);
BENCHMARK_CAPTURE(parse, v6_summed, true, false)->Arg(1'400);

void write_header(benchmark::State& state, bool v6, std::uint8_t flags) {
  auto h = header_of(v6, flags);
  octets out(max_header);
  for (auto _ : state) {
    h.seq = h.seq + 1'400;
    ++h.ip_id;
    benchmark::DoNotOptimize(write_partial_header(out, h, 1'400));
    benchmark::ClobberMemory();
  }
}
BENCHMARK_CAPTURE(write_header, v4_data, false, flag::ack);
BENCHMARK_CAPTURE(write_header, v6_data, true, flag::ack);
BENCHMARK_CAPTURE(write_header, v4_syn, false, flag::syn);

// A super-segment that no offload takes: one header and checksum for each datagram.
void cut_super_segment(benchmark::State& state) {
  const auto size = static_cast<std::uint32_t>(state.range(0));
  const auto count = std::min<std::uint32_t>(max_run_segments, 65'495 / size);
  const auto data = counting(size * count);
  const auto super = header_of(false, flag::ack | flag::psh);
  octets out(max_header);
  for (auto _ : state) {
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto h = nth_header(super, i * size, static_cast<std::uint16_t>(i), i + 1 == count);
      const auto n = write_partial_header(out, h, size);
      finish_checksum({out.data(), n}, inet_checksum{}.add({data.data() + i * size, size}));
      benchmark::ClobberMemory();
    }
  }
  state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(cut_super_segment)->Arg(200)->Arg(1'400);

/// Datagrams as recvmmsg gives them, into runs.
void build_runs(benchmark::State& state, bool mixed) {
  octets sizes = counting(256, 7);
  run_builder run{65'495};
  std::size_t i = 0;
  for (auto _ : state) {
    const std::uint32_t size = mixed ? 100u + 5u * sizes[i++ % 256] : 1'400u;
    if (!run.take(size, size)) {
      run.reset();
      benchmark::DoNotOptimize(run.take(size, size));
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(build_runs, equal, false);
BENCHMARK_CAPTURE(build_runs, mixed, true);

} // namespace
