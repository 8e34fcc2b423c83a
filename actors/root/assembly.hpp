#pragma once

#include "actors/root/host.hpp"
#include "actors/runtime/reactor.hpp"
#include "actors/shard/config.hpp"
#include "actors/shard/shard.hpp"
#include "system/os_error.hpp"
#include "system/packet_device.hpp"
#include "system/slab.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>

#include <cstddef>
#include <memory>
#include <vector>

namespace tonel::actors {

struct root_start;

/// A whole process put together on a host: an event loop, packet buffers and a device for each shard,
/// a control loop, and the root of all actors.
/// Owns:   all of these; the last made goes first, and CAF's actor system when no loop is left
/// Thread: that which made it
class assembly {
public:
  /// loops: one a shard, then that of the control loop
  assembly(const config& settings, host outside,
           std::vector<std::unique_ptr<sys::event_loop>> loops);
  ~assembly();
  assembly(const assembly&) = delete;
  assembly& operator=(const assembly&) = delete;

  /// Spawns the root. It does nothing before the loops run.
  void spawn_root();
  /// Has each loop run on a thread of its own. Tests call run_once() of each instead.
  void start();
  /// Blocks until no actor is left.
  void await();
  /// Ends the threads; after await().
  void stop();

  /// How many actors there are. Thread: any
  std::size_t actors_running();
  /// The shards' loops, then the control loop.
  std::vector<reactor*> loops() const;
  std::size_t shards() const noexcept { return lanes_.size(); }
  actors::shard& shard(std::size_t i) { return *lanes_[i].state; }
  const process_context& context() const noexcept { return context_; }
  /// Thread: any
  const counter_list& counts() const noexcept { return counts_; }

private:
  /// One shard, and what it borrows, in order of making.
  struct lane {
    std::unique_ptr<reactor> loop;
    std::unique_ptr<sys::slab_pool> pool;
    std::unique_ptr<sys::packet_device> recorded; ///< the device's queue, where captures can be
    std::unique_ptr<actors::shard> state;
  };
  void make_context(const config& settings);
  void add_lane(std::unique_ptr<sys::event_loop> loop);
  root_start start_of_root();

  host outside_;
  process_context context_;
  caf::actor_system_config caf_config_;
  caf::actor_system system_;
  std::vector<lane> lanes_;
  counter_list counts_;
  std::unique_ptr<reactor> control_;
};

/// Puts a process together: the programs on the real host, tests on one in memory.
/// Errors: an event loop cannot be made; the process cannot start
sys::result<std::unique_ptr<assembly>> assemble(const config& settings, host outside);

} // namespace tonel::actors
