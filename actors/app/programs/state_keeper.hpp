#pragma once

#include "actors/shard/session_memory.hpp"
#include "system/state_directory.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace tonel::actors::app {

/// Keeps the memory of a client's sessions in a file, for the next program: written some seconds after a
/// change, and at the end. Nothing that fails here ends the program: it is said, and the sessions of this
/// program are not gone on with by the next.
/// Owns: a thread, since writing may block
class state_keeper {
public:
  /// Takes what the file has. path: of the directory. Null: it can't be used, which was said.
  static std::unique_ptr<state_keeper> open(const std::string& path, std::size_t max_sessions);
  ~state_keeper();
  state_keeper(const state_keeper&) = delete;
  state_keeper& operator=(const state_keeper&) = delete;

  const std::shared_ptr<session_memory>& memory() const noexcept { return memory_; }
  /// Begins to write. Call it once, after the process has got its threads' signals and rights.
  void start();

private:
  state_keeper(sys::state_directory folder, std::size_t max_sessions);
  void load();
  void run();
  void save();

  sys::state_directory folder_;
  std::shared_ptr<session_memory> memory_;
  std::string saved_;          ///< the text in the file
  std::optional<int> failing_; ///< errno that was said last
  std::mutex mutex_;
  std::condition_variable wake_;
  bool changed_ = false, ending_ = false;
  std::thread thread_;
};

} // namespace tonel::actors::app
