// Runs a fuzz target without libFuzzer: first the seeds and files given, then mutations of them,
// from a fixed seed, until the time is over.
//   NAME_fuzz [--seconds N] [--seed S] [--write DIR] [FILE...]
// --write DIR saves the seeds as a corpus for libFuzzer. When the target fails, the input at hand
// is in ./NAME_fuzz-crash.bin; give it as FILE to see the failure again.

#include "tests/fuzz/fuzz.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>

// There in builds with sanitizers, which end the process without a signal.
extern "C" [[gnu::weak]] void __sanitizer_set_death_callback(void (*callback)());

namespace {

using octets = std::vector<std::uint8_t>;

octets current;
std::string crash_file;

void save_current() {
  const int fd = ::open(crash_file.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  if (fd < 0) return;
  if (::write(fd, current.data(), current.size()) < 0) std::perror(crash_file.c_str());
  ::close(fd);
}

extern "C" void on_fatal_signal(int signal) {
  save_current();
  std::signal(signal, SIG_DFL);
  ::raise(signal);
}

void run(const octets& input) {
  // An exact copy on the heap, so that AddressSanitizer sees one octet too many.
  current = input;
  current.shrink_to_fit();
  LLVMFuzzerTestOneInput(current.data(), current.size());
}

void mutate(octets& b, const std::vector<octets>& corpus, std::mt19937_64& random) {
  const auto at = [&] { return b.empty() ? 0 : random() % b.size(); };
  switch (random() % 8) {
  case 0:
  case 1:
    if (!b.empty()) b[at()] = static_cast<std::uint8_t>(random());
    break;
  case 2:
    if (!b.empty()) b[at()] ^= static_cast<std::uint8_t>(1u << (random() % 8));
    break;
  case 3: { // values at the edge
    constexpr std::uint8_t edges[] = {0, 1, 0x7f, 0x80, 0xfe, 0xff};
    if (!b.empty()) b[at()] = edges[random() % std::size(edges)];
    break;
  }
  case 4: b.resize(at()); break;
  case 5: {
    const auto n = random() % 16;
    const auto where = static_cast<std::ptrdiff_t>(at());
    b.insert(b.begin() + where, n, static_cast<std::uint8_t>(random()));
    break;
  }
  case 6: {
    const auto from = at();
    const auto n = std::min<std::size_t>(random() % 8, b.size() - from);
    const auto first = b.begin() + static_cast<std::ptrdiff_t>(from);
    b.erase(first, first + static_cast<std::ptrdiff_t>(n));
    break;
  }
  default: { // the head of this with the tail of another
    const auto& other = corpus[random() % corpus.size()];
    const auto cut = other.empty() ? 0 : random() % other.size();
    b.resize(std::min(b.size(), cut));
    b.insert(b.end(), other.begin() + static_cast<std::ptrdiff_t>(cut), other.end());
    break;
  }
  }
  if (b.size() > 4'096) b.resize(4'096);
}

} // namespace

int main(int argc, char** argv) {
  using clock = std::chrono::steady_clock;
  std::chrono::seconds seconds{3};
  std::uint64_t seed = 1;
  std::string write_to;
  auto corpus = tonel::fuzz::seeds();
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool option = argument == "--seconds" || argument == "--seed" || argument == "--write";
    if (option && i + 1 == argc) {
      std::cerr << argument << " needs a value\n";
      return 2;
    }
    if (argument == "--seconds") {
      seconds = std::chrono::seconds{std::strtol(argv[++i], nullptr, 10)};
    } else if (argument == "--seed") {
      seed = std::strtoull(argv[++i], nullptr, 10);
    } else if (argument == "--write") {
      write_to = argv[++i];
    } else {
      std::ifstream in{argument, std::ios::binary};
      if (!in) {
        std::cerr << "cannot read " << argument << '\n';
        return 2;
      }
      corpus.emplace_back(std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{});
    }
  }
  if (!write_to.empty()) {
    for (std::size_t i = 0; i < corpus.size(); ++i) {
      std::ofstream out{write_to + "/seed-" + std::to_string(i), std::ios::binary};
      std::copy(corpus[i].begin(), corpus[i].end(), std::ostreambuf_iterator<char>{out});
      if (!out) {
        std::cerr << "cannot write to " << write_to << '\n';
        return 2;
      }
    }
    return 0;
  }
  const char* name = std::strrchr(argv[0], '/');
  crash_file = std::string{name != nullptr ? name + 1 : argv[0]} + "-crash.bin";
  std::signal(SIGABRT, on_fatal_signal);
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(save_current);
  } else {
    std::signal(SIGSEGV, on_fatal_signal);
  }

  for (const auto& input : corpus)
    run(input);
  run({});
  if (corpus.empty()) corpus.emplace_back();
  std::mt19937_64 random{seed};
  std::uint64_t runs = 0;
  octets input;
  for (const auto end = clock::now() + seconds; clock::now() < end;) {
    for (int i = 0; i < 256; ++i, ++runs) {
      input = corpus[random() % corpus.size()];
      for (auto n = 1 + random() % 6; n-- != 0;)
        mutate(input, corpus, random);
      run(input);
    }
  }
  std::cout << corpus.size() << " inputs replayed, " << runs << " mutated, seed " << seed << '\n';
  return 0;
}
