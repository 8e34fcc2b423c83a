#pragma once

#include "actors/shard/tunnel_config.hpp"
#include "protocol/address.hpp"
#include "protocol/hello.hpp"
#include "protocol/session_proof.hpp"
#include "system/datagram_socket.hpp"

#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace tonel::actors {

/// By what a client's session can be gone on with: after a fault of this program, and after its end where
/// this memory is kept in a file.
struct remembered_session {
  protocol::session_claim claim; ///< its counter is above all that were used
  protocol::endpoint at;         ///< the address of its server
};

/// The sessions that servers have of this client, by tunnel and application.
/// Shape:  one for each session that is open; those whose actor has failed are forgotten in the end, since
///         the oldest one makes place for the newest. As text: a line for each, no more than `most_saved`
/// Thread: any
class session_memory {
public:
  static constexpr std::size_t most_saved = 4'096;
  /// Octets of the text at most.
  static constexpr std::size_t most_text = std::size_t{1} << 20;

  /// most: the sessions of the process
  explicit session_memory(std::size_t most) : most_(most) {}

  /// Names the session of an application: a tunnel to another remote, or with other streams, has others.
  static std::string key_of(const tunnel_config& tunnel, const sys::datagram_path& application);

  /// What another session can go on with; nothing: none is known. A second call gives higher counters.
  std::optional<remembered_session> take(const std::string& key);
  /// A server has answered this session.
  void keep(const std::string& key, const remembered_session& session);
  /// The session has come to an end.
  void forget(const std::string& key, const protocol::session_id& id);
  std::size_t size() const;

  /// For a file. The text holds secrets.
  std::string text() const;
  /// Takes a text that an earlier program has left; false: it is none, and nothing was taken.
  [[nodiscard]] bool load(std::string_view text);
  /// It is kept in a file: on_change, called whenever the text has changed, must not block and not call back.
  /// Call it before other threads use the memory; null: not kept any more.
  void keep_in_file(std::function<void()> on_change);
  /// Sessions are to stay at their servers when this program ends.
  bool is_kept() const;

private:
  using entry = std::pair<std::string, remembered_session>;
  void put(const std::string& key, const remembered_session& session);
  void changed() const;

  const std::size_t most_;
  mutable std::mutex mutex_;
  std::list<entry> all_; ///< the newest last
  std::unordered_map<std::string, std::list<entry>::iterator> by_key_;
  std::function<void()> on_change_;
};

} // namespace tonel::actors
