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

/// A whole process put together on a host: an event loop, packet buffers and a device queue for
/// each shard, a control loop, and the root supervisor.
/// Owns:   all of these; destroyed in reverse order, CAF's actor system after the loops
/// Thread: the thread that made it
class assembly {
public:
  /// loops: one for each shard, then the control loop's
  assembly(const config& settings, host outside,
           std::vector<std::unique_ptr<sys::event_loop>> loops);
  ~assembly();
  assembly(const assembly&) = delete;
  assembly& operator=(const assembly&) = delete;

  /// Spawns the root supervisor, which does nothing before the loops run.
  void spawn_root();
  /// Starts a thread for each loop. Tests call run_once() of each loop instead.
  void start();
  /// Blocks until no actor is left.
  void await();
  /// Ends the threads. Call it after await().
  void stop();

  /// The number of actors alive. Thread: any
  std::size_t actors_running();
  /// The shards' loops in order, then the control loop.
  std::vector<reactor*> loops() const;
  std::size_t shards() const noexcept { return lanes_.size(); }
  actors::shard& shard(std::size_t i) { return *lanes_[i].state; }
  const process_context& context() const noexcept { return context_; }
  /// Thread: any
  const counter_list& counts() const noexcept { return counts_; }

private:
  /// One shard and the objects that it borrows; members are made in this order.
  struct lane {
    std::unique_ptr<reactor> loop;
    std::unique_ptr<sys::slab_pool> pool;
    std::unique_ptr<sys::packet_device> recorded; ///< around the device's queue, for captures
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

/// Puts a process together: programs on the real host, tests on a host in memory.
/// Errors: an event loop cannot be made; the process has to end
sys::result<std::unique_ptr<assembly>> assemble(const config& settings, host outside);

} // namespace tonel::actors
