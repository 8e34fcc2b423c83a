#include "actors/root/assembly.hpp"

#include "actors/operations/status_line.hpp"
#include "actors/root/root_supervisor.hpp"
#include "actors/runtime/scheduler.hpp"
#include "protocol/bytes.hpp"
#include "system/decorators/pcap_device.hpp"

#include <caf/actor_registry.hpp>
#include <caf/send.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace tonel::actors {

namespace {

caf::actor_system_config& prepare(caf::actor_system_config& config) {
  use_idle_scheduler(config);
  return config;
}

} // namespace

assembly::assembly(const config& settings, host outside,
                   std::vector<std::unique_ptr<sys::event_loop>> loops)
    : outside_(std::move(outside)), system_(prepare(caf_config_)) {
  make_context(settings);
  auto control = std::move(loops.back());
  loops.pop_back();
  for (auto& loop : loops)
    add_lane(std::move(loop));
  control_ = std::make_unique<reactor>(system_, std::move(control));
}

assembly::~assembly() {
  stop();
  // Actors alive at this point have no loop to end on, so nobody may wait for them.
  system_.await_actors_before_shutdown(actors_running() == 0);
}

void assembly::make_context(const config& settings) {
  context_.settings = settings;
  context_.settings.tunnels.clear(); // a copy would keep removed tunnels alive
  context_.shards = outside_.queues.size();
  context_.random = outside_.random;
  context_.random(context_.cookie_secret);
  std::array<std::uint8_t, 8> seed{};
  context_.random(seed);
  context_.hash.seed = protocol::load_be64(seed, 0);
  if (settings.side == role::server)
    context_.groups =
        std::make_shared<group_registries>(context_.hash, settings.bounds.max_sessions);
  context_.open_upstream = outside_.open_upstream;
  context_.provoke = outside_.provoke;
  if (outside_.direct != nullptr)
    context_.direct = std::make_shared<direct_streams>(*outside_.direct, outside_.tcp);
  context_.memory = outside_.memory
                        ? outside_.memory
                        : std::make_shared<session_memory>(settings.bounds.max_sessions);
}

void assembly::add_lane(std::unique_ptr<sys::event_loop> loop) {
  const auto i = lanes_.size();
  auto& added = lanes_.emplace_back();
  added.loop = std::make_unique<reactor>(system_, std::move(loop));
  added.pool =
      std::make_unique<sys::slab_pool>(outside_.slabs, [r = added.loop.get()] { r->nudge(); });
  auto* queue = outside_.queues[i];
  if (outside_.capture != nullptr) {
    added.recorded = std::make_unique<sys::pcap_device>(*queue, *outside_.capture,
                                                        static_cast<std::uint32_t>(i));
    queue = added.recorded.get();
  }
  added.state = std::make_unique<actors::shard>(i, context_, *added.loop, *added.pool, *queue);
  for (const auto& tunnel : outside_.tunnels)
    added.state->tunnels.push_back({tunnel.settings,
                                    tunnel.listeners.empty() ? nullptr : tunnel.listeners[i],
                                    {},
                                    tunnel.health});
  counts_.push_back(&added.state->stats);
}

root_start assembly::start_of_root() {
  root_start start;
  for (const auto& each : lanes_)
    start.shards.push_back(each.state.get());
  // A copy would keep removed tunnels alive.
  start.tunnels = std::exchange(outside_.tunnels, {});
  start.outside = &outside_;
  start.report = [this] { outside_.report(counts_); };
  start.status = [line = status_line{counts_}](protocol::time_point now) mutable {
    return line.at(now);
  };
  if (outside_.services) start.services = outside_.services(*control_, counts_);
  return start;
}

void assembly::spawn_root() {
  const auto root = control_->spawn(root_supervisor, start_of_root());
  lanes_.front().loop->set_on_resume([root] { caf::anon_send(root, probe_stream{}); });
}

void assembly::start() {
  for (std::size_t i = 0; i < lanes_.size(); ++i)
    lanes_[i].loop->start("shard-" + std::to_string(i));
  control_->start("control");
}

void assembly::await() { system_.await_all_actors_done(); }

void assembly::stop() {
  for (auto& each : lanes_)
    each.loop->stop();
  if (control_) control_->stop();
  // The callback holds a handle of the root.
  if (!lanes_.empty()) lanes_.front().loop->set_on_resume(nullptr);
}

std::size_t assembly::actors_running() { return system_.registry().running(); }

std::vector<reactor*> assembly::loops() const {
  std::vector<reactor*> out;
  for (const auto& each : lanes_)
    out.push_back(each.loop.get());
  out.push_back(control_.get());
  return out;
}

sys::result<std::unique_ptr<assembly>> assemble(const config& settings, host outside) {
  std::vector<std::unique_ptr<sys::event_loop>> loops;
  for (std::size_t i = 0; i <= outside.queues.size(); ++i) {
    auto loop = outside.make_loop();
    if (!loop) return unexpected{loop.error()};
    loops.push_back(std::move(*loop));
  }
  return std::make_unique<assembly>(settings, std::move(outside), std::move(loops));
}

} // namespace tonel::actors
