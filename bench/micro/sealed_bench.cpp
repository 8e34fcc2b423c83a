#include "protocol/sealed/admission.hpp"
#include "protocol/sealed/handshake.hpp"
#include "protocol/sealed/record.hpp"
#include "tests/support/handshake_pair.hpp"
#include "tls/openssl_crypto.hpp"

#include <benchmark/benchmark.h>

#include <vector>

namespace {

using namespace tonel::protocol;
using namespace tonel::protocol::sealed;

constexpr suite suite_of(std::int64_t number) { return static_cast<suite>(number); }

/// A run of 40 datagrams of this size, sealed into another buffer.
void seal_run(benchmark::State& state) {
  const auto c = tonel::tls::make_openssl_crypto();
  sealer out{*c, secret{}, suite_of(state.range(0))};
  const auto size = static_cast<std::uint32_t>(state.range(1));
  const std::vector<std::uint8_t> datagrams(std::size_t{40} * size, 0x5a);
  std::vector<std::uint8_t> wire(sealed_size(40 * size, size));
  std::uint64_t position = 570;
  for (auto _ : state) {
    if (!out.seal_run(position, datagrams, size, wire)) state.SkipWithError("not sealed");
    position += wire.size();
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * 40);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(datagrams.size()));
}

/// The same, opened.
void open_run(benchmark::State& state) {
  const auto c = tonel::tls::make_openssl_crypto();
  const auto s = suite_of(state.range(0));
  sealer out{*c, secret{}, s};
  const auto size = static_cast<std::uint32_t>(state.range(1));
  const std::vector<std::uint8_t> datagrams(std::size_t{40} * size, 0x5a);
  std::vector<std::uint8_t> wire(sealed_size(40 * size, size));
  std::vector<std::uint8_t> opened(wire.size());
  if (!out.seal_run(570, datagrams, size, wire)) state.SkipWithError("not sealed");
  // A window that knows the records would not open them: the opener is made anew each time, and what
  // that costs is left out.
  for (auto _ : state) {
    state.PauseTiming();
    opener in{*c, secret{}, s};
    static_cast<void>(in.open(0, byte_view{wire}.subview(0, size + record_overhead), opened));
    state.ResumeTiming();
    std::uint32_t length = 0;
    in.open_run(570, wire, size + static_cast<std::uint32_t>(record_overhead), opened,
                [&](const found& f) { length += f.length; });
    if (length != datagrams.size()) state.SkipWithError("not opened");
  }
  state.SetItemsProcessed(state.iterations() * 40);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(datagrams.size()));
}

void sizes(benchmark::internal::Benchmark* b) {
  for (const std::int64_t s : {0x1301, 0x1303})
    for (const std::int64_t size : {100, 200, 1'400})
      b->Args({s, size});
}
BENCHMARK(seal_run)->Apply(sizes);
BENCHMARK(open_run)->Apply(sizes);

/// Both ends of a handshake.
void sealed_handshake(benchmark::State& state) {
  tonel::test::handshake_pair pair{tonel::tls::make_openssl_crypto()};
  for (auto _ : state)
    if (!pair.run()) state.SkipWithError("no handshake");
}
BENCHMARK(sealed_handshake);

/// A stranger's first flight with so many keys to try.
void strangers_identity(benchmark::State& state) {
  tonel::test::handshake_pair pair{tonel::tls::make_openssl_crypto()};
  const auto flight = pair.open().octets;
  const std::vector<named_key> keys(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state)
    if (look_at(*pair.c, keys, flight, 0, 0)) state.SkipWithError("known");
}
BENCHMARK(strangers_identity)->Arg(1)->Arg(32)->Arg(1'024);

} // namespace
