#include "protocol/xor_cipher.hpp"

#include <benchmark/benchmark.h>

#include <vector>

namespace {

using tonel::protocol::xor_cipher;

/// A full run of datagrams of this size, in place.
void xor_run(benchmark::State& state) {
  const xor_cipher cipher{"some key of usual length"};
  const auto size = static_cast<std::uint32_t>(state.range(0));
  std::vector<std::uint8_t> run(65'000 / size * size, 0x5a);
  for (auto _ : state) {
    cipher.apply(run, size);
    benchmark::DoNotOptimize(run.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(run.size()));
}
BENCHMARK(xor_run)->Arg(100)->Arg(200)->Arg(1'400);

} // namespace
