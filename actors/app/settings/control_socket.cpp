#include "actors/app/settings/control_socket.hpp"

#include "system/instance_state.hpp"
#include "system/process.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

namespace tonel::actors::app {

namespace fs = std::filesystem;

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name); // NOLINT: before any thread is started
  return value != nullptr ? value : "";
}

std::string user_folder() {
  const auto base = variable("XDG_RUNTIME_DIR");
  return base.empty() ? base : base + "/tonel";
}

sys::result<sys::stream_listener> listen_in(const std::string& folder, const std::string& name) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) return unexpected{sys::os_error{failed.value(), "mkdir", folder}};
  sys::sweep_runtime_folder(folder);
  auto out = sys::stream_listener::listen_local(folder + '/' + name + ".sock");
  if (out || out.error().number != EADDRINUSE) return out;
  // Another network namespace has a device of the same name.
  return sys::stream_listener::listen_local(folder + '/' + name + '-' +
                                            std::to_string(sys::process_id()) + ".sock");
}

void append_sockets(std::vector<std::string>& out, const fs::path& folder) {
  std::error_code failed;
  for (fs::directory_iterator at{folder, failed}, end; !failed && at != end; at.increment(failed))
    if (at->is_socket(failed) && at->path().extension() == ".sock") out.push_back(at->path());
}

} // namespace

sys::result<std::shared_ptr<sys::stream_listener>> open_control_socket(const std::string& control,
                                                                       const std::string& name) {
  if (control == "off") return std::shared_ptr<sys::stream_listener>{};
  auto made = [&] {
    if (control != "auto") return sys::stream_listener::listen_local(control);
    auto usual = listen_in(sys::runtime_folder(), name);
    if (usual || user_folder().empty()) return usual;
    return listen_in(user_folder(), name);
  }();
  if (!made) return unexpected{made.error()};
  return std::make_shared<sys::stream_listener>(std::move(*made));
}

std::vector<std::string> find_control_sockets() {
  std::vector<std::string> out;
  // Each service has a folder of its own: /run/tonelc, /run/tonel/NAME and the like.
  const auto run = fs::path{sys::usual_runtime_folder()}.parent_path();
  std::error_code failed;
  std::vector<fs::path> folders;
  for (fs::directory_iterator at{run, failed}, end; !failed && at != end; at.increment(failed))
    if (at->path().filename().string().rfind("tonel", 0) == 0) folders.push_back(at->path());
  if (const auto own = user_folder(); !own.empty()) folders.emplace_back(own);
  // Those of other users, whom root alone may ask.
  if (sys::user_id() == 0)
    for (fs::directory_iterator at{run / "user", failed}, end; !failed && at != end;
         at.increment(failed))
      if (auto folder = at->path() / "tonel"; folder != user_folder()) folders.push_back(folder);
  failed.clear();
  for (const auto& folder : folders) {
    append_sockets(out, folder);
    for (fs::directory_iterator at{folder, failed}, end; !failed && at != end; at.increment(failed))
      if (at->is_directory(failed)) append_sockets(out, at->path());
    failed.clear();
  }
  std::sort(out.begin(), out.end());
  return out;
}

} // namespace tonel::actors::app
