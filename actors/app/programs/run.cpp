#include "actors/app/programs/run.hpp"

#include "actors/app/programs/captures.hpp"
#include "actors/app/programs/log.hpp"
#include "actors/app/programs/process_host.hpp"
#include "actors/app/programs/tun_ends.hpp"
#include "actors/app/settings/build_info.hpp"
#include "actors/app/settings/host_commands.hpp"
#include "actors/app/settings/load.hpp"
#include "actors/app/settings/options.hpp"
#include "actors/root/assembly.hpp"
#include "actors/runtime/log.hpp"
#include "system/daemon.hpp"
#include "system/process.hpp"
#include "system/service_manager.hpp"

#include <cerrno>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace tonel::actors::app {

namespace {

/// Runs the actors until the process ends; gives its exit code. on_ready: called once all are ready
int serve(process_host& outside, const std::function<void()>& on_ready) {
  const auto made = assemble(outside.run(), outside.give());
  if (!made) {
    log_error("cannot make an event loop: ", made.error());
    return 1;
  }
  auto& process = **made;
  outside.say_host_commands();
  process.spawn_root();
  process.start();
  outside.say_ready();
  on_ready();
  process.await();
  // The workers' closures send to actors, so they must end before the actor system.
  outside.end_workers();
  process.stop();
  outside.end_capture();
  outside.end_state();
  report_counters(process.counts());
  log_info("stopped");
  return outside.exit_code();
}

// A supervisor need not try it again.
constexpr int exit_permanent = 3;

/// What an exception at the start means for a user. Allocates nothing.
const char* reason_of(const std::exception& e) noexcept {
  if (dynamic_cast<const std::bad_alloc*>(&e) != nullptr)
    return "the system gives this process no more memory (ulimit -v, MemoryMax=)";
  const auto* failed = dynamic_cast<const std::system_error*>(&e);
  if (failed != nullptr && failed->code().value() == EAGAIN)
    return "the system gives this process no more threads (ulimit -u, ulimit -v, TasksMax=)";
  return e.what();
}

int run_program(role side, int argc, char** argv) {
  auto line = parse_command_line(side, {argv + 1, argv + argc});
  if (line.what == command_line::request::help) {
    std::cout << help_text(side);
    return 0;
  }
  if (line.what == command_line::request::version) {
    std::cout << version_text(program_name(side));
    return 0;
  }
  hide_keys(argc, argv);
  auto chosen = load_settings(side, line);
  if (!chosen) {
    std::cerr << error_text(side, chosen.error());
    return 2;
  }
  if (line.values.count("check") != 0) {
    std::cout << summary_text(*chosen);
    return 0;
  }
  if (chosen->print_rules) {
    // As a start would: its errors are for that.
    static_cast<void>(settle_ends(chosen->run, taken_nets(chosen->run)));
    const auto text = rules_text(*chosen);
    if (text)
      std::cout << *text;
    else
      std::cerr << program_name(side) << ": " << text.error().to_string() << '\n';
    return text ? 0 : 1;
  }
  // A daemon has another working directory when it reads the files again.
  make_paths_absolute(line);
  // Absolute, since a daemon has another working directory when it opens the log again.
  if (!chosen->log_output.empty()) chosen->log_output = sys::absolute_path(chosen->log_output);
  if (const auto log = start_log(*chosen, sys::stderr_is_journal()); !log) {
    std::cerr << error_text(side, {log.error()});
    return 2;
  }
  if (!chosen->pcap.path.empty()) chosen->pcap.path = sys::absolute_path(chosen->pcap.path);
  auto capture = open_capture_file(chosen->pcap);
  if (!capture) {
    std::cerr << error_text(side, {capture.error()});
    return 2;
  }
  const auto fail = [&](const start_error& failed) {
    log_error(failed.text);
    for (const auto& advice : failed.advice)
      log_error(advice);
    // A user who starts a daemon reads stderr, not the log file.
    if (chosen->daemonize && !chosen->log_output.empty())
      std::cerr << program_name(side) << ": " << failed.text << '\n';
    return failed.permanent ? exit_permanent : 1;
  };
  try {
    if (chosen->control_path != "auto" && chosen->control_path != "off")
      chosen->control_path = sys::absolute_path(chosen->control_path);
    if (chosen->state_path != "auto" && chosen->state_path != "off")
      chosen->state_path = sys::absolute_path(chosen->state_path);
    const auto pid_path = chosen->pid_path.empty() ? "" : sys::absolute_path(chosen->pid_path);
    std::optional<sys::daemon_parent> caller;
    if (chosen->daemonize) {
      auto left = sys::daemon_parent::leave();
      if (!left) return fail({"cannot go into the background: " + left.error().to_string(), {}});
      caller.emplace(std::move(*left));
    }
    std::optional<sys::pid_file> pid;
    if (!pid_path.empty()) {
      auto made = sys::pid_file::make(pid_path);
      if (!made) return fail(pid_error(made.error()));
      pid.emplace(std::move(*made));
    }
    for (const auto& warning : warnings_of(*chosen))
      log_warn(warning);
    process_host outside{*chosen, line, std::move(*capture)};
    if (const auto failed = outside.open()) return fail(*failed);
    return serve(outside, [&caller] {
      if (!caller) return;
      flush_log(); // lines so far go to the caller's stderr
      caller->ready();
    });
  } catch (const std::exception& e) {
    log_error("start failed: ", reason_of(e));
    return 1;
  }
}

} // namespace

int run(role side, int argc, char** argv) {
  sys::make_standard_descriptors();
  sys::keep_others_from_writing();
  try {
    return run_program(side, argc, argv);
  } catch (const std::exception& e) {
    // Before there is a log, or where there is no memory for a line in it.
    const auto program = program_name(side);
    std::fprintf(stderr, "%.*s: start failed: %s\n", static_cast<int>(program.size()),
                 program.data(), reason_of(e));
    return 1;
  }
}

} // namespace tonel::actors::app
