#include "actors/app/ctl/ctl_command.hpp"

#include <algorithm>
#include <iterator>

namespace tonel::actors::app {

namespace {

using task = ctl_command::task;

struct ctl_option {
  const char* name;
  std::string ctl_command::*text; ///< member for the value; null: handled apart
  std::vector<task> of;           ///< its commands; empty: all
};

const ctl_option options[] = {
    {"--socket", &ctl_command::socket, {}},
    {"--tun", &ctl_command::tun, {task::doctor}},
    {"--local", &ctl_command::local, {task::doctor}},
    {"--remote", &ctl_command::remote, {task::doctor}},
    {"--mtu", &ctl_command::mtu, {task::doctor}},
    {"--config", nullptr, {task::doctor}},
    {"--most", nullptr, {task::sessions}},
    {"--pid", nullptr, {task::reload}},
    {"--limit", nullptr, {task::pcap}},
    {"--watch", nullptr, {task::counters}},
    {"--all", nullptr, {task::status}},
    {"--json", nullptr, {}},
};

std::optional<task> task_named(const std::string& word) {
  static const std::pair<const char*, task> names[] = {
      {"status", task::status}, {"sessions", task::sessions}, {"counters", task::counters},
      {"reload", task::reload}, {"close", task::close},       {"pcap", task::pcap},
      {"doctor", task::doctor}, {"help", task::help}};
  for (const auto& [name, what] : names)
    if (word == name) return what;
  return {};
}

std::optional<std::uint64_t> number_of(const std::string& text) {
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos)
    return {};
  return std::stoull(text);
}

/// Takes a word of "start FILE" or "stop".
void take_pcap_word(ctl_command& out, const std::string& word) {
  if (out.start && out.file.empty())
    out.file = word;
  else if (!out.start && !out.stop && word == "start")
    out.start = true;
  else if (!out.start && !out.stop && word == "stop")
    out.stop = true;
  else
    out.errors.push_back(word + ": pcap takes start FILE, or stop");
}

/// Takes a word that is no option.
void take_word(ctl_command& out, bool& named, const std::string& word) {
  if (!named) {
    named = true;
    if (const auto what = task_named(word))
      out.what = *what;
    else
      out.errors.push_back(word + ": is no command");
  } else if (out.what == task::close && out.session == 0) {
    out.session = number_of(word).value_or(0);
    if (out.session == 0)
      out.errors.push_back(word + ": must be the number of a session, as 'sessions' lists them");
  } else if (out.what == task::pcap) {
    take_pcap_word(out, word);
  } else if (out.what == task::doctor && !out.side && (word == "client" || word == "server")) {
    out.side = word == "client" ? role::client : role::server;
  } else {
    out.errors.push_back(word + ": belongs to no option");
  }
}

void take_value(ctl_command& out, const ctl_option& option, const std::string& value) {
  const std::string name = option.name;
  if (value.empty()) {
    out.errors.push_back(name + ": needs a value");
  } else if (option.text != nullptr) {
    out.*option.text = value;
  } else if (name == "--config") {
    out.configs.push_back(value);
  } else {
    const auto number = number_of(value);
    if (number && *number >= 1)
      (name == "--limit" ? out.limit : name == "--pid" ? out.pid : out.most) = *number;
    else
      out.errors.push_back(name + ' ' + value + ": must be a number of 1 or more");
  }
}

} // namespace

ctl_command parse_ctl_command(const std::vector<std::string>& arguments) {
  ctl_command out;
  bool named = false;
  std::vector<const ctl_option*> given;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto& word = arguments[i];
    if (word == "-h" || word == "--help" || word == "-V" || word == "--version") {
      ctl_command only;
      only.what = word == "-h" || word == "--help" ? task::help : task::version;
      return only;
    }
    if (word.empty() || word[0] != '-') {
      take_word(out, named, word);
      continue;
    }
    const auto equals = word.find('=');
    const auto name = word.substr(0, equals);
    const auto* option = std::find_if(std::begin(options), std::end(options),
                                      [&](const auto& o) { return name == o.name; });
    if (option == std::end(options)) {
      out.errors.push_back(name + ": is not an option");
      continue;
    }
    given.push_back(option);
    if (name == "--json" || name == "--watch" || name == "--all") {
      (name == "--json" ? out.json : name == "--watch" ? out.watch : out.all) = true;
      if (equals != std::string::npos) out.errors.push_back(name + ": takes no value");
    } else if (equals != std::string::npos) {
      take_value(out, *option, word.substr(equals + 1));
    } else {
      take_value(out, *option, i + 1 < arguments.size() ? arguments[++i] : "");
    }
  }
  if (!named) out.what = task::status;
  if (out.what == task::close && out.session == 0 && out.errors.empty())
    out.errors.emplace_back("close: needs the number of a session");
  if (out.what == task::pcap && out.errors.empty()) {
    if (!out.stop && out.file.empty()) out.errors.emplace_back("pcap: needs start FILE, or stop");
    if (out.stop && out.limit != 0) out.errors.emplace_back("--limit: goes with pcap start alone");
  }
  for (const auto* option : given)
    if (!option->of.empty() &&
        std::find(option->of.begin(), option->of.end(), out.what) == option->of.end())
      out.errors.push_back(std::string{option->name} + ": does not go with this command");
  return out;
}

std::string ctl_help_text() {
  return R"(tonelctl: looks at running tonelc and tonels, and at the host

usage: tonelctl [COMMAND] [OPTION]...

Commands:
  status            what a program is, how its parts are, and the options that it was given; this is
                    done without a command, too
    --all           all of its options, and its shards and counters
  sessions          its sessions with their connections
    --most N        list at most so many [100]
  counters          all counters
    --watch         what they gain, each second, until interrupted
  reload            read the config files again, as SIGHUP does
    --pid N         of the program with this process number
  close SESSION     close one session, named by its number in 'sessions'
  pcap start FILE   capture what passes the TUN device into FILE, as pcapng; FILE is made or
                    emptied by the program that is asked
    --limit MIB     end at this size [the program's --pcap-limit]
  pcap stop         end the capture
  doctor [client|server]
                    look at the host for what keeps a tunnel from working, and print the
                    commands that mend it; nothing is changed. Without a running program
                    say what it will be started with:
    --config FILE   its config file; may be given several times
    --tun NAME      its device
    --local ADDR    as its --local
    --remote ADDR   as its --remote
    --mtu BYTES     as its --mtu

Options:
  --socket PATH     the program's control socket [all under /run/tonel*, and those of this user]
  --json            one JSON object a line for each program
  -h, --help        print this and exit
  -V, --version     print version, features and libraries, and exit

Exit status: 0; 1 where something failed, or doctor found a fault; 2 for a wrong command line;
3 where no program is running, or its socket does not answer.
)";
}

} // namespace tonel::actors::app
