#include "actors/shard/estates.hpp"

#include <algorithm>
#include <iterator>

namespace tonel::actors {

void estates::leave(const protocol::session_id& of, estate what, protocol::time_point now) {
  const auto until = now + what.tunnel->idle_timeout;
  const key at{what.tunnel.get(), of};
  all_.insert_or_assign(at, entry{std::move(what), until});
  next_ = std::min(next_.value_or(until), until);
}

estates::entry_map::const_iterator estates::find(const tunnel_ptr& tunnel,
                                                 const protocol::hello_repr& hello) const {
  const auto found = all_.find({tunnel.get(), hello.session});
  if (found == all_.end()) return found;
  auto proof = found->second.what.proof; // a copy, which may count the hello
  return proof.admit(hello) ? found : all_.end();
}

bool estates::has(const tunnel_ptr& tunnel, const protocol::hello_repr& hello) const {
  return !all_.empty() && find(tunnel, hello) != all_.end();
}

std::optional<estate> estates::take(const tunnel_ptr& tunnel, const protocol::hello_repr& hello) {
  const auto found = find(tunnel, hello);
  if (found == all_.end()) return std::nullopt;
  auto node = all_.extract(found);
  return std::move(node.mapped().what);
}

void estates::drop(const tunnel_ptr& tunnel) noexcept {
  for (auto each = all_.begin(); each != all_.end();)
    each = each->first.first == tunnel.get() ? all_.erase(each) : std::next(each);
}

void estates::expire(protocol::time_point now) {
  if (!next_ || *next_ > now) return;
  next_.reset();
  for (auto each = all_.begin(); each != all_.end();) {
    const auto until = each->second.until;
    if (until <= now) {
      each = all_.erase(each);
      continue;
    }
    next_ = std::min(next_.value_or(until), until);
    ++each;
  }
}

} // namespace tonel::actors
