#pragma once

#include "protocol/run.hpp"
#include "system/slab.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace tonel::actors {

/// Cuts the datagrams of `in` into runs, in order: appends their chunks to `out` (a chunk with
/// datagrams of two runs is cut in two), and calls close(first, run) for each run, whose chunks are
/// then [first, out.size()).
template <class Close>
void plan_runs(std::vector<sys::chunk>&& in, std::size_t capacity, std::vector<sys::chunk>& out,
               Close close) {
  protocol::run_builder run{capacity};
  auto first = static_cast<std::uint32_t>(out.size());
  const auto finish = [&] {
    if (run.empty()) return;
    close(first, std::as_const(run));
    run.reset();
    first = static_cast<std::uint32_t>(out.size());
  };
  for (auto& c : in) {
    for (;;) {
      const auto datagrams = protocol::datagrams_in(c.length, c.datagram_size);
      auto room = run.room(c.length, c.datagram_size);
      if (room == 0) {
        finish();
        room = run.room(c.length, c.datagram_size);
        if (room == 0) break; // larger than any run: the caller drops such datagrams before
      }
      if (room >= datagrams) {
        run.take(c.length, c.datagram_size);
        out.push_back(std::move(c));
        break;
      }
      sys::chunk head{c.slab, c.offset, room * c.datagram_size, c.datagram_size};
      run.take(head.length, head.datagram_size);
      c.offset += head.length;
      c.length -= head.length;
      out.push_back(std::move(head));
      finish();
    }
  }
  finish();
}

} // namespace tonel::actors
