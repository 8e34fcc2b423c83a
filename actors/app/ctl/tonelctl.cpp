#include "actors/app/ctl/ctl_command.hpp"
#include "actors/app/ctl/ctl_tables.hpp"
#include "actors/app/doctor/doctor.hpp"
#include "actors/app/doctor/doctor_target.hpp"
#include "actors/app/doctor/remote_findings.hpp"
#include "actors/app/settings/build_info.hpp"
#include "actors/app/settings/control_socket.hpp"
#include "system/daemon.hpp"
#include "system/instance_state.hpp"
#include "system/process.hpp"
#include "system/stream_socket.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace tonel::actors::app {

namespace {

using json = nlohmann::ordered_json;
using task = ctl_command::task;

constexpr int failed = 1, wrong_usage = 2, nobody = 3;
// ms: the program waits a second for a shard, and 8 s at most for a reload.
constexpr int patience = 10'000;

void complain(const std::string& text) { std::cerr << "tonelctl: " << text << '\n'; }

/// A running program.
struct instance {
  std::string socket;
  std::string answer; ///< to the last question
};

/// The line of a question to the socket.
std::string question(const char* command, const json& more = json::object()) {
  json out{{"command", command}};
  out.update(more);
  return out.dump() + '\n';
}

/// The error in an answer; "": none.
std::string error_in(const std::string& answer) {
  const auto parsed = json::parse(answer, nullptr, false);
  if (!parsed.is_object()) return "the answer is no JSON";
  return parsed.contains("error") && parsed["error"].is_string()
             ? parsed["error"].get<std::string>()
             : std::string{};
}

/// The text of an answer with one member.
std::string text_in(const std::string& answer) {
  const auto parsed = json::parse(answer, nullptr, false);
  return parsed.is_object() && parsed.size() == 1 && parsed.front().is_string()
             ? parsed.front().get<std::string>()
             : answer;
}

/// Asks all programs of the command; complains about those that cannot be asked.
/// denied: becomes true where this user may not ask one
std::vector<instance> ask_all(const ctl_command& command, const std::string& line, bool quiet,
                              bool* denied = nullptr) {
  std::vector<instance> out;
  const bool named = !command.socket.empty();
  const auto sockets = named ? std::vector<std::string>{command.socket} : find_control_sockets();
  bool no_rights = false;
  for (const auto& socket : sockets) {
    auto answer = sys::ask_local(socket, line, patience);
    if (answer) {
      out.push_back({socket, std::move(*answer)});
    } else if (answer.error().number == EACCES) {
      no_rights = true;
      complain(socket + ": no rights: run tonelctl as root, or as the user of that program");
    } else if (named ||
               (answer.error().number != ECONNREFUSED && answer.error().number != ENOENT)) {
      complain(answer.error().to_string()); // otherwise a dead program has left the socket
    }
  }
  if (denied != nullptr) *denied = no_rights;
  if (out.empty() && !quiet && !named && !no_rights)
    complain(std::string{"no program is running: there is no control socket under "} +
             sys::usual_runtime_folder() + "* (--socket names another place)");
  return out;
}

/// The answer in one line, with its socket.
std::string json_line(const instance& from) {
  auto parsed = json::parse(from.answer, nullptr, false);
  if (!parsed.is_object()) return from.answer + '\n';
  json out{{"socket", from.socket}};
  out.update(parsed);
  return out.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
}

int show(const ctl_command& command, const std::vector<instance>& from,
         const std::function<std::string(const std::string&)>& table) {
  int code = from.empty() ? nobody : 0;
  for (const auto& each : from) {
    if (const auto error = error_in(each.answer); !error.empty()) {
      complain(each.socket + ": " + error);
      code = failed;
    } else if (command.json) {
      std::cout << json_line(each);
    } else {
      if (from.size() > 1) std::cout << each.socket << ":\n";
      std::cout << table(each.answer);
    }
  }
  return code;
}

/// Asks until there are enough sessions, since one answer has 1,000 at most.
std::optional<instance> ask_sessions(const ctl_command& command, const std::string& socket) {
  json whole;
  std::uint64_t after = 0;
  for (auto left = command.most; left > 0;) {
    auto answer = sys::ask_local(
        socket,
        question("sessions", {{"most", std::min<std::uint64_t>(left, 1'000)}, {"after", after}}),
        patience);
    if (!answer) {
      complain(answer.error().to_string());
      return {};
    }
    auto part = json::parse(*answer, nullptr, false);
    if (!part.is_object() || !part.contains("sessions")) return instance{socket, *answer};
    left -= std::min<std::uint64_t>(left, part["sessions"].size());
    const bool more = part.contains("next");
    if (more) after = part["next"].get<std::uint64_t>();
    part.erase("next");
    if (whole.is_null()) {
      whole = std::move(part);
    } else {
      whole["complete"] = whole["complete"] == true && part["complete"] == true;
      for (auto& each : part["sessions"])
        whole["sessions"].push_back(std::move(each));
    }
    if (!more) break;
  }
  return instance{socket, whole.dump(-1, ' ', false, json::error_handler_t::replace)};
}

int sessions(const ctl_command& command) {
  std::vector<instance> answers;
  for (const auto& found : ask_all(command, question("sessions", {{"most", 0}}), false))
    if (auto answer = ask_sessions(command, found.socket)) answers.push_back(std::move(*answer));
  return show(command, answers, sessions_table);
}

int watch_counters(const ctl_command& command) {
  std::vector<std::pair<std::string, counter_values>> before;
  for (bool first = true;; first = false) {
    const auto now = ask_all(command, question("counters"), false);
    if (now.empty()) return first ? nobody : failed;
    for (const auto& each : now) {
      auto at = std::find_if(before.begin(), before.end(),
                             [&](const auto& b) { return b.first == each.socket; });
      if (at == before.end()) {
        before.emplace_back(each.socket, counters_in(each.answer));
        if (command.json) std::cout << json_line(each) << std::flush;
        continue;
      }
      auto values = counters_in(each.answer);
      if (command.json)
        std::cout << json_line(each);
      else if (const auto gained = counters_gained(at->second, values); !gained.empty())
        std::cout << each.socket << ":\n" << gained << '\n';
      std::cout << std::flush;
      at->second = std::move(values);
    }
    if (!std::cout) return failed;
    std::this_thread::sleep_for(std::chrono::seconds{1});
  }
}

/// The socket of the program with the command's process number; empty: none was found.
std::string socket_of(const ctl_command& command) {
  for (const auto& each : ask_all(command, question("status"), true)) {
    const auto parsed = json::parse(each.answer, nullptr, false);
    if (parsed.is_object() && parsed.value("pid", std::uint64_t{0}) == command.pid)
      return each.socket;
  }
  return {};
}

/// For a program without a control socket, which cannot say what has come of it.
int hang_up(std::uint64_t pid) {
  if (const auto done = sys::hang_up(static_cast<int>(pid)); !done) {
    complain(done.error().to_string());
    return failed;
  }
  std::cout << "SIGHUP sent; the program's log tells what comes of it\n";
  return 0;
}

/// Sends a command to one program, since it must not reach several by accident. done: text to
/// print; null: the answer's text
int command_one(const ctl_command& command, const std::string& line, const char* done) {
  auto one = command;
  if (one.socket.empty() && command.pid != 0) {
    one.socket = socket_of(command);
    if (one.socket.empty()) return hang_up(command.pid);
  }
  if (one.socket.empty()) {
    const auto all = ask_all(command, question("counters"), false);
    if (all.empty()) return nobody;
    if (all.size() > 1) {
      complain("several programs are running; --socket names the one that is meant:");
      for (const auto& each : all)
        std::cerr << "  " << each.socket << '\n';
      return wrong_usage;
    }
    one.socket = all.front().socket;
  }
  const auto answers = ask_all(one, line, false);
  if (answers.empty()) return nobody;
  if (const auto error = error_in(answers.front().answer); !error.empty()) {
    complain(error);
    return failed;
  }
  const auto& answer = answers.front();
  std::cout << (command.json      ? json_line(answer)
                : done != nullptr ? std::string{done} + '\n'
                                  : text_in(answer.answer) + '\n');
  return 0;
}

/// The paths of the program, beside this one or where packages install it.
std::vector<std::string> program_files(role side) {
  const std::string name{program_name(side)};
  std::error_code ignored;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / name;
  std::vector<std::string> out;
  for (const auto& path : {own, std::filesystem::path{"/usr/bin"} / name})
    if (std::filesystem::exists(path, ignored) && out.empty()) out.push_back(path);
  return out;
}

command_line described(const ctl_command& command) {
  const std::pair<const char*, const std::string&> given[] = {{"tun", command.tun},
                                                              {"local", command.local},
                                                              {"remote", command.remote},
                                                              {"mtu", command.mtu}};
  command_line out;
  for (const auto& [name, value] : given)
    if (!value.empty()) out.values[name] = value;
  return out;
}

/// The programs for which to examine the host, or the exit status where that cannot be told; why was
/// reported.
expected<std::vector<doctor_case>, int> doctor_cases(const ctl_command& command) {
  std::vector<doctor_case> out;
  const auto given = described(command);
  for (const auto& path : command.configs) {
    if (!std::ifstream{path}) {
      complain(path + ": cannot be read");
      return unexpected{wrong_usage};
    }
    auto line = given;
    line.values["config"] = path;
    const bool server =
        path.find("server") != std::string::npos || path.find("tonels") != std::string::npos;
    out.push_back(
        case_of_options(command.side.value_or(server ? role::server : role::client), line));
  }
  if (out.empty() && given.values.empty()) {
    bool denied = false;
    for (const auto& each : ask_all(command, question("status"), true, &denied))
      if (auto found = case_of_status(each.answer);
          found && (!command.side || found->target.side == *command.side))
        out.push_back(std::move(*found));
    // Nothing that can be seen from here is true of a program that is only not to be asked.
    if (out.empty() && denied) return unexpected{nobody};
  }
  if (out.empty()) out.push_back(case_of_options(command.side.value_or(role::client), given));
  return out;
}

/// Asks the remote where the program knows nothing, or not all.
std::vector<finding> ask_remote(doctor_target& target, doctor_way& way) {
  std::vector<finding> out;
  const auto said = told_of(target, way.tunnel);
  const bool failing = said && said->is == finding::level::fault;
  auto remote = resolve_remote(target, way);
  if (said) out.push_back(*said);
  if (remote.failed) {
    // What works goes on with the addresses that it had.
    if (said && !failing) remote.failed->is = finding::level::note;
    out.push_back(std::move(*remote.failed));
  }
  if (!way.settings || remote.addresses.empty()) return out;
  const bool client = target.side == role::client;
  // The program has tried its only address; and an upstream gets nothing that it need not.
  if (said && (client ? failing && remote.addresses.size() == 1 : !failing)) {
    if (client) way.question.remote = remote.addresses.front();
    return out;
  }
  const auto asked = ask_addresses(target, way, remote.addresses);
  if (client) way.question.remote = address_in_use(asked, *way.settings);
  target.answered = client && has_answered(asked, *way.settings);
  for (auto& each : judge_addresses(target, way, asked, ::geteuid() == 0)) {
    // It knows better: connections of the doctor's own may go another way.
    if (said && !failing && each.about == "tunnel") continue;
    out.push_back(std::move(each));
  }
  return out;
}

/// Examines the host for each tunnel, since routes and ports may differ.
std::vector<finding> examine(doctor_case& program) {
  std::vector<tunnel_findings> out;
  auto target = program.target;
  const auto files = program_files(target.side);
  for (auto& way : program.ways) {
    way.question.programs = files;
    target.local_port = way.question.tcp_port;
    target.answered = false;
    // First, since the kernel learns of the path by it.
    auto of_remote = ask_remote(target, way);
    target.remote = way.question.remote;
    auto list = diagnose(target, sys::gather_host_facts(way.question));
    std::move(of_remote.begin(), of_remote.end(), std::back_inserter(list));
    out.push_back({way.tunnel, std::move(list)});
  }
  return joined(out);
}

int doctor(const ctl_command& command) {
  auto cases = doctor_cases(command);
  if (!cases) return cases.error();
  int code = 0;
  for (auto& each : *cases) {
    const auto findings = examine(each);
    if (command.json) {
      std::cout << findings_json(each.target, findings) << '\n';
    } else {
      std::cout << "this host, for " << program_name(each.target.side)
                << (each.target.running ? ", running" : ", not running")
                << (each.target.tun.empty() ? "" : " on " + each.target.tun) << ":\n"
                << findings_text(findings);
    }
    if (std::any_of(findings.begin(), findings.end(),
                    [](const finding& f) { return f.is == finding::level::fault; }))
      code = failed;
  }
  return code;
}

int pcap(const ctl_command& command) {
  json more{{"do", command.start ? "start" : "stop"}};
  if (command.start) more["file"] = sys::absolute_path(command.file);
  if (command.limit != 0) more["limit_mib"] = command.limit;
  return command_one(command, question("pcap", more), nullptr);
}

int run_command(const ctl_command& command) {
  switch (command.what) {
  case task::help: std::cout << ctl_help_text(); return 0;
  case task::version: std::cout << version_text("tonelctl"); return 0;
  case task::status:
    return show(command, ask_all(command, question("status"), false),
                [&](const std::string& answer) { return status_table(answer, command.all); });
  case task::sessions: return sessions(command);
  case task::counters:
    if (command.watch) return watch_counters(command);
    return show(command, ask_all(command, question("counters"), false), counters_table);
  case task::reload: return command_one(command, question("reload"), nullptr);
  case task::close:
    return command_one(command, question("close", {{"session", command.session}}),
                       ("session " + std::to_string(command.session) + " is being closed").c_str());
  case task::pcap: return pcap(command);
  case task::doctor: return doctor(command);
  }
  return failed;
}

} // namespace

} // namespace tonel::actors::app

int main(int argc, char** argv) {
  using namespace tonel::actors::app;
  const auto command = parse_ctl_command({argv + 1, argv + argc});
  if (!command.errors.empty()) {
    for (const auto& error : command.errors)
      std::cerr << "tonelctl: " << error << '\n';
    std::cerr << "'tonelctl --help' lists the commands and options.\n";
    return 2;
  }
  try {
    return run_command(command);
  } catch (const std::exception& e) {
    std::cerr << "tonelctl: " << e.what() << '\n';
    return 1;
  }
}
