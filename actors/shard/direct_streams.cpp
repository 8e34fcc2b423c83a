#include "actors/shard/direct_streams.hpp"

#include "actors/runtime/log.hpp"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

namespace tonel::actors {

namespace {

const sys::host_way* find(const std::vector<sys::host_way>& ways,
                          const protocol::ip_address& remote) {
  const auto found = std::find_if(ways.begin(), ways.end(),
                                  [&](const sys::host_way& w) { return w.remote == remote; });
  return found == ways.end() ? nullptr : &*found;
}

std::string text_of(const sys::host_way& way) {
  return way.source.to_string() + " (" + way.name + ')';
}

} // namespace

bool direct_streams::learn(const std::vector<sys::host_way>& now) {
  std::vector<sys::host_way> before;
  {
    const std::lock_guard lock{mutex_};
    if (ways_ == now) return false;
    before = std::exchange(ways_, now);
  }
  log_ways(before, now);
  return true;
}

std::optional<protocol::ip_address>
direct_streams::source_to(const protocol::ip_address& remote) const {
  const std::lock_guard lock{mutex_};
  const auto* way = find(ways_, remote);
  return way == nullptr ? std::nullopt : std::optional{way->source};
}

sys::result<direct_streams::lease> direct_streams::take(const protocol::four_tuple& connection) {
  if (host_ != nullptr && host_->has(connection))
    return unexpected{sys::os_error{EADDRINUSE, "direct path", connection.local.to_string()}};
  if (auto taken = path_.take(connection); !taken) return unexpected{taken.error()};
  return lease{new protocol::four_tuple{connection}, [this](const protocol::four_tuple* tuple) {
                 path_.release(*tuple);
                 delete tuple;
               }};
}

void log_ways(const std::vector<sys::host_way>& before, const std::vector<sys::host_way>& now) {
  for (const auto& way : now) {
    const auto* was = find(before, way.remote);
    if (was != nullptr && *was == way) continue;
    const bool instead = was != nullptr && was->source;
    if (!way.source)
      log_warn("no route leads to ", way.remote, instead ? " any more" : "");
    else
      log_info("packets to ", way.remote, " leave from ", text_of(way),
               instead ? " now, in place of " + text_of(*was) : "");
  }
}

} // namespace tonel::actors
