#pragma once

#include "protocol/bytes.hpp"

#include <array>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

namespace tonel::sys {

class slab_pool;

/// A block of memory for packets and datagrams, counted by slab_refs.
/// Shape: fixed capacity: 64 KiB and headroom for the largest header; the octets follow this object
/// Owns:  returns to its pool with the last reference, on any thread
class slab {
public:
  static constexpr std::size_t capacity = 65'536 + 256;
  /// The octets start on a cache line of their own.
  static constexpr std::size_t data_offset = 64;

  std::uint8_t* data() noexcept { return reinterpret_cast<std::uint8_t*>(this) + data_offset; }

private:
  friend class slab_ref;
  friend class slab_pool;
  slab() noexcept = default;

  std::atomic<std::uint32_t> references_{0};
  void* home_ = nullptr; ///< slab_pool::core
  slab* next_ = nullptr; ///< next slab in a list of the pool
};

/// A counted reference to a slab; a copy is another reference.
class slab_ref {
public:
  slab_ref() noexcept = default;
  slab_ref(const slab_ref& other) noexcept : slab_(other.slab_) {
    if (slab_ != nullptr) slab_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  slab_ref(slab_ref&& other) noexcept : slab_(other.slab_) { other.slab_ = nullptr; }
  slab_ref& operator=(slab_ref other) noexcept {
    std::swap(slab_, other.slab_);
    return *this;
  }
  ~slab_ref() {
    if (slab_ != nullptr && slab_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      give_back(slab_);
  }

  explicit operator bool() const noexcept { return slab_ != nullptr; }
  std::uint8_t* data() const noexcept { return slab_ == nullptr ? nullptr : slab_->data(); }
  static constexpr std::size_t capacity() noexcept { return slab::capacity; }
  /// Whether this is the only reference to the slab.
  bool unique() const noexcept {
    return slab_ != nullptr && slab_->references_.load(std::memory_order_acquire) == 1;
  }

  friend bool operator==(const slab_ref& a, const slab_ref& b) noexcept {
    return a.slab_ == b.slab_;
  }
  friend bool operator!=(const slab_ref& a, const slab_ref& b) noexcept { return !(a == b); }

private:
  friend class slab_pool;
  explicit slab_ref(slab* s) noexcept : slab_(s) {} // s is counted already
  static void give_back(slab* s) noexcept;
  slab* slab_ = nullptr;
};

/// Octets of a slab: one datagram, or consecutive ones of equal size (the last may be shorter).
/// Shape: datagram_size 0 and length 0: one zero-length datagram
/// Units: octets
struct chunk {
  slab_ref slab;
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
  std::uint32_t datagram_size = 0;

  protocol::byte_view bytes() const noexcept { return {slab.data() + offset, length}; }
};

/// The pool of slabs of one shard.
/// Shape:  at most `max_slabs` (4 or more, or a slab_writer can wait for itself); made on demand
///         and kept, last returned, first taken; pages never written are not resident
/// Owns:   its slabs; slabs referenced at the pool's end are freed with their last reference
/// Thread: take(), collect() and in_use(): the owner's, which is the last to call take(); slabs
///         return on any thread. The first return after a failed take() calls the callback of
///         on_available() on the owner's thread: directly, or, if it came on another thread, by
///         collect(), for which that thread calls `wake` (thread-safe, must not touch the pool)
class slab_pool {
public:
  explicit slab_pool(std::size_t max_slabs, std::function<void()> wake = {});
  ~slab_pool();
  slab_pool(const slab_pool&) = delete;
  slab_pool& operator=(const slab_pool&) = delete;

  /// A free slab; empty: all are in use.
  slab_ref take() noexcept;
  /// Sets the callback for the first slab that returns after take() failed.
  void on_available(std::function<void()> callback);
  /// Takes over the slabs that other threads have returned.
  void collect() noexcept;
  std::size_t capacity() const noexcept;
  /// The number of slabs in use; slabs returned by other threads count until collect().
  std::size_t in_use() const noexcept;

private:
  friend class slab_ref;
  struct core;
  core* core_; ///< outlives the pool while slabs are out
};

/// Gives room for reads and for control payloads: the open slab of a shard, filled from front to
/// back, and empty slabs in reserve for large reads.
/// Shape: small reads (up to `small_slot` octets) are consecutive in the open slab; a larger one
///        gets a slab of its own. Once nothing in the open slab is in use, it is filled from its
///        front again
class slab_writer {
public:
  /// Octets for a datagram or packet of any usual MTU.
  static constexpr std::size_t small_slot = 2048;
  static constexpr std::size_t max_spares = 32;

  explicit slab_writer(slab_pool& pool) noexcept : pool_(&pool) {}
  /// Room for `n` octets (n <= capacity) in the open slab, or in a new one; empty: the pool is
  /// empty.
  protocol::byte_span reserve(std::size_t n) noexcept;
  /// All remaining room of the open slab, `least` octets or more, like reserve().
  protocol::byte_span reserve_all(std::size_t least) noexcept;
  /// Makes the first reserved octets a chunk.
  chunk commit(std::size_t length, std::size_t datagram_size) noexcept;
  /// The start of the reserved octets.
  std::uint8_t* front() const noexcept { return open_.data() + used_; }
  /// Leaves the first reserved octets unused.
  void skip(std::size_t length) noexcept {
    assert(used_ + length <= slab_ref::capacity());
    used_ += length;
  }
  /// Whether `c` ends where the reserved octets begin, so that extend() can lengthen it.
  bool ends_at_front(const chunk& c) const noexcept {
    return c.slab == open_ && std::size_t{c.offset} + c.length == used_;
  }
  /// Lengthens `c`, which ends_at_front(), by the first reserved octets.
  void extend(chunk& c, std::size_t length) noexcept {
    assert(ends_at_front(c));
    c.length += static_cast<std::uint32_t>(length);
    used_ += length;
  }
  /// Copies octets into the open slab; a chunk without slab: the pool is empty.
  chunk append(protocol::byte_view bytes) noexcept;

  /// Fills the reserve up to `wanted` (<= max_spares) empty slabs, fewer if the pool is empty, and
  /// at most a quarter of the pool; gives their number.
  std::size_t stock(std::size_t wanted) noexcept;
  /// The octets of slab i of the reserve.
  std::uint8_t* spare(std::size_t i) const noexcept { return spares_[i].data(); }
  /// Makes the front of spare i a chunk; the indices of the others stay valid until the next
  /// stock().
  chunk commit_spare(std::size_t i, std::size_t length, std::size_t datagram_size) noexcept;

  slab_pool& pool() noexcept { return *pool_; }

private:
  bool open(std::size_t least) noexcept;
  bool any_spare() const noexcept;

  slab_pool* pool_;
  slab_ref open_;
  std::size_t used_ = 0;
  std::array<slab_ref, max_spares> spares_; ///< with holes after commit_spare
};

} // namespace tonel::sys
