#include "system/slab.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>

namespace tonel::sys {

namespace {

/// Its address identifies this thread, and is cheaper to compare than std::thread::id.
thread_local const char this_thread = 0;

constexpr std::size_t line = 64;
constexpr std::size_t block_size = (slab::data_offset + slab::capacity + line - 1) / line * line;
static_assert(sizeof(slab) <= slab::data_offset);

} // namespace

/// Thread: `free` and the counters: the owner's; `foreign`, `starving` and `orphans`: under the
///         lock, except to test whether `foreign` is null
struct slab_pool::core {
  std::size_t max = 0;
  std::size_t made = 0;
  std::size_t in_use = 0;
  slab* free = nullptr;
  bool calls_back = false; ///< take() has failed since the last on_available call
  std::function<void()> on_available;
  std::atomic<const char*> owner{nullptr};

  std::mutex lock;
  std::atomic<slab*> foreign{nullptr};
  bool starving = false;
  bool closed = false;
  std::size_t orphans = 0;
  std::function<void()> wake;

  static void destroy(slab* s) noexcept {
    s->~slab();
    std::free(s);
  }
  static void destroy_list(slab* s) noexcept {
    while (s != nullptr)
      destroy(std::exchange(s, s->next_));
  }

  /// Makes the slabs returned by other threads free; false: there are none.
  bool take_foreign(bool starves_otherwise) noexcept {
    slab* list = nullptr;
    {
      const std::lock_guard guard{lock};
      list = foreign.exchange(nullptr, std::memory_order_relaxed);
      starving = list == nullptr && starves_otherwise;
    }
    const bool any = list != nullptr;
    while (list != nullptr) {
      slab* s = std::exchange(list, list->next_);
      s->next_ = free;
      free = s;
      --in_use;
    }
    return any;
  }

  void call_back() noexcept {
    if (std::exchange(calls_back, false) && on_available) on_available();
  }

  void return_by_owner(slab* s) noexcept {
    s->next_ = free;
    free = s;
    --in_use;
    if (calls_back) call_back();
  }

  void return_by_stranger(slab* s) noexcept {
    std::unique_lock guard{lock};
    if (closed) {
      const bool last = --orphans == 0;
      guard.unlock();
      destroy(s);
      if (last) delete this;
      return;
    }
    s->next_ = foreign.load(std::memory_order_relaxed);
    foreign.store(s, std::memory_order_relaxed);
    // Under the lock, since the pool may be destroyed once the lock is released.
    if (std::exchange(starving, false) && wake) wake();
  }
};

void slab_ref::give_back(slab* s) noexcept {
  auto* home = static_cast<slab_pool::core*>(s->home_);
  if (home->owner.load(std::memory_order_relaxed) == &this_thread)
    home->return_by_owner(s);
  else
    home->return_by_stranger(s);
}

slab_pool::slab_pool(std::size_t max_slabs, std::function<void()> wake) : core_(new core) {
  core_->max = max_slabs;
  core_->wake = std::move(wake);
}

slab_pool::~slab_pool() {
  core_->owner.store(nullptr, std::memory_order_relaxed);
  core_->take_foreign(false);
  core::destroy_list(std::exchange(core_->free, nullptr));
  bool last = false;
  {
    const std::lock_guard guard{core_->lock};
    // Between the two locks another thread may have returned some.
    auto* returned = core_->foreign.exchange(nullptr, std::memory_order_relaxed);
    while (returned != nullptr) {
      core::destroy(std::exchange(returned, returned->next_));
      --core_->in_use;
    }
    core_->closed = true;
    core_->orphans = core_->in_use;
    last = core_->orphans == 0;
  }
  if (last) delete core_;
}

slab_ref slab_pool::take() noexcept {
  core& c = *core_;
  if (c.owner.load(std::memory_order_relaxed) != &this_thread)
    c.owner.store(&this_thread, std::memory_order_relaxed);
  slab* s = c.free;
  if (s == nullptr && c.made < c.max) {
    // New memory from malloc is not resident until it is written.
    if (void* block = std::aligned_alloc(line, block_size); block != nullptr) {
      s = ::new (block) slab;
      s->home_ = &c;
      ++c.made;
    }
  } else if (s == nullptr && c.take_foreign(true)) {
    s = c.free;
  }
  if (s == nullptr) {
    c.calls_back = true;
    return {};
  }
  if (s == c.free) c.free = s->next_;
  s->next_ = nullptr;
  s->references_.store(1, std::memory_order_relaxed);
  ++c.in_use;
  return slab_ref{s};
}

void slab_pool::on_available(std::function<void()> callback) {
  core_->on_available = std::move(callback);
}

void slab_pool::collect() noexcept {
  // Each pass of a loop calls this, mostly in vain, so the lock is avoided then. A return that is
  // seen late waits for the next pass. While a failed take() waits for one, the return calls
  // `wake`, and the lock is always taken.
  if (!core_->calls_back && core_->foreign.load(std::memory_order_relaxed) == nullptr) return;
  if (core_->take_foreign(core_->calls_back && core_->free == nullptr)) core_->call_back();
}

std::size_t slab_pool::capacity() const noexcept { return core_->max; }
std::size_t slab_pool::in_use() const noexcept { return core_->in_use; }

bool slab_writer::open(std::size_t least) noexcept {
  assert(least <= slab_ref::capacity());
  // No chunk of it is in use: fill the same octets, which are in the cache, again.
  if (used_ != 0 && open_.unique()) used_ = 0;
  if (open_ && slab_ref::capacity() - used_ >= least) return true;
  auto fresh = pool_->take();
  if (!fresh) return false;
  open_ = std::move(fresh);
  used_ = 0;
  return true;
}

protocol::byte_span slab_writer::reserve(std::size_t n) noexcept {
  if (!open(n)) return {};
  return {open_.data() + used_, n};
}

protocol::byte_span slab_writer::reserve_all(std::size_t least) noexcept {
  if (!open(least)) return {};
  return {open_.data() + used_, slab_ref::capacity() - used_};
}

chunk slab_writer::commit(std::size_t length, std::size_t datagram_size) noexcept {
  assert(open_ && used_ + length <= slab_ref::capacity());
  chunk c{open_, static_cast<std::uint32_t>(used_), static_cast<std::uint32_t>(length),
          static_cast<std::uint32_t>(datagram_size)};
  used_ += length;
  return c;
}

chunk slab_writer::append(protocol::byte_view bytes) noexcept {
  const auto room = reserve(bytes.size());
  if (room.data() == nullptr) return {};
  if (!bytes.empty()) std::memcpy(room.data(), bytes.data(), bytes.size());
  return commit(bytes.size(), bytes.size());
}

std::size_t slab_writer::stock(std::size_t wanted) noexcept {
  const auto share = std::max<std::size_t>(1, pool_->capacity() / 4);
  wanted = std::min({wanted, max_spares, share});
  // Holes are filled in place: the pool gives the slab returned last, so single large reads use the
  // same few slabs, which are in the cache.
  for (std::size_t i = 0; i < wanted; ++i) {
    if (spares_[i]) continue;
    // With a reserve left, the pool must not call back for a failure.
    if (pool_->in_use() < pool_->capacity() || !any_spare()) spares_[i] = pool_->take();
    if (spares_[i]) continue;
    const auto last = std::find_if(spares_.rbegin(), spares_.rend() - static_cast<long>(i),
                                   [](const slab_ref& s) { return bool{s}; });
    if (last == spares_.rend() - static_cast<long>(i)) return i;
    spares_[i] = std::move(*last);
  }
  return wanted;
}

bool slab_writer::any_spare() const noexcept {
  return std::any_of(spares_.begin(), spares_.end(), [](const slab_ref& s) { return bool{s}; });
}

chunk slab_writer::commit_spare(std::size_t i, std::size_t length,
                                std::size_t datagram_size) noexcept {
  assert(spares_.at(i) && length <= slab_ref::capacity());
  return {std::move(spares_[i]), 0, static_cast<std::uint32_t>(length),
          static_cast<std::uint32_t>(datagram_size)};
}

} // namespace tonel::sys
