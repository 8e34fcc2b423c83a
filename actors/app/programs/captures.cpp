#include "actors/app/programs/captures.hpp"

#include "actors/app/settings/build_info.hpp"
#include "actors/runtime/log.hpp"

#include <cerrno>
#include <utility>

namespace tonel::actors::app {

namespace {

constexpr std::uint64_t octets_a_mib = std::uint64_t{1} << 20;

std::string problem_of(const sys::os_error& error) {
  if (error.number == EWOULDBLOCK) return "another program captures into it";
  if (error.number == EINVAL) return "is no regular file";
  return error.to_string();
}

std::string lost_text(const sys::capture_status& now) {
  return now.lost == 0 ? "" : ", " + std::to_string(now.lost) + " more were lost";
}

void tell(const sys::capture_status& now) {
  if (now.limit_reached)
    log_warn("the capture has ended: ", now.file, " has reached its limit of ",
             now.limit / octets_a_mib, " MiB (--pcap-limit), with ", now.packets, " packets",
             lost_text(now));
  else
    log_error("packets are missing in the capture: ", now.problem,
              " (said once; the status counts them)");
}

} // namespace

expected<std::optional<sys::capture_file>, option_error>
open_capture_file(const named_file& wanted) {
  if (wanted.path.empty()) return std::nullopt;
  auto file = sys::capture_file::open(wanted.path);
  if (!file)
    return unexpected{option_error{wanted.option, wanted.path,
                                   "cannot be opened: " + problem_of(file.error()), wanted.place}};
  return std::optional{std::move(*file)};
}

std::shared_ptr<sys::packet_capture> make_captures(role side, const std::string& device) {
  sys::packet_capture::settings chosen;
  chosen.program = std::string{program_name(side)} + ' ' + std::string{program_version()};
  chosen.interface = device;
  chosen.tell = tell;
  return std::make_shared<sys::packet_capture>(std::move(chosen));
}

expected<std::string, std::string> start_capture(sys::packet_capture& captures,
                                                 const std::string& path, std::uint64_t limit_mib) {
  auto file = sys::capture_file::open(path);
  if (!file) return unexpected{path + ": " + problem_of(file.error())};
  const auto begun = captures.start(std::move(*file), limit_mib * octets_a_mib);
  if (!begun && begun.error().number == EBUSY)
    return unexpected{"there is a capture already, into " + begun.error().detail};
  if (!begun) return unexpected{begun.error().to_string()};
  log_info("capturing into ", path);
  return "capturing into " + path;
}

expected<std::string, std::string> stop_capture(sys::packet_capture& captures) {
  if (!captures.stop()) return unexpected{std::string{"there is no capture"}};
  const auto now = captures.status();
  auto text = std::to_string(now.packets) + " packets in " + now.file + lost_text(now);
  log_info("the capture ends: ", text);
  return text;
}

} // namespace tonel::actors::app
