#include "actors/app/ctl/ctl_tables.hpp"

#include "actors/app/settings/option_table.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

namespace tonel::actors::app {

namespace {

using json = nlohmann::ordered_json;
using row = std::vector<std::string>;

/// Columns as wide as their widest entry, two blanks between them; `indent` blanks in front.
std::string table(const std::vector<row>& rows, std::size_t indent) {
  std::vector<std::size_t> widths;
  for (const auto& r : rows)
    for (std::size_t i = 0; i < r.size(); ++i) {
      if (widths.size() <= i) widths.push_back(0);
      widths[i] = std::max(widths[i], r[i].size());
    }
  std::string out;
  for (const auto& r : rows) {
    std::string line(indent, ' ');
    for (std::size_t i = 0; i < r.size(); ++i) {
      line += r[i];
      if (i + 1 < r.size()) line.append(widths[i] - r[i].size() + 2, ' ');
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
  return out;
}

std::string text_of(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "on" : "off";
  return value.is_null() ? "" : value.dump();
}

/// A member, or null; never throws.
const json& member(const json& object, const char* name) {
  static const json none;
  if (!object.is_object()) return none;
  const auto at = object.find(name);
  return at != object.end() ? *at : none;
}

/// A member that is an object; empty: it is none.
const json& members(const json& object, const char* name) {
  static const json none = json::object();
  const auto& value = member(object, name);
  return value.is_object() ? value : none;
}

std::string at(const json& object, const char* name) { return text_of(member(object, name)); }

std::int64_t seconds_at(const json& object, const char* name) {
  const auto& value = member(object, name);
  return value.is_number() ? value.get<std::int64_t>() : 0;
}

std::vector<row> nonzero(const json& counters) {
  std::vector<row> rows;
  for (const auto& [name, value] : counters.items())
    if (value.is_number() && value.get<std::uint64_t>() != 0) rows.push_back({name, value.dump()});
  return rows;
}

std::string device_line(const json& status) {
  const auto& tun = member(status, "tun");
  auto out = at(tun, "name") + ", " + at(tun, "queues") + " queue(s)";
  if (const auto drops = at(tun, "queue_drops"); !drops.empty())
    out += ", " + drops + " packets dropped for want of room";
  if (const auto seconds = at(tun, "unanswered_s"); !seconds.empty())
    out += ", the system has not answered for " + seconds + " s";
  return out;
}

std::string offload_line(const json& status) {
  std::string out;
  for (const auto& [name, value] : members(status, "offload").items())
    out += (out.empty() ? "" : ", ") + name + ' ' + text_of(value);
  return out;
}

/// The line about the capture; empty: there was none.
std::string capture_line(const json& status) {
  const auto& pcap = member(status, "pcap");
  if (at(pcap, "file").empty()) return {};
  auto out = at(pcap, "state") + ", " + at(pcap, "file") + ": " + at(pcap, "packets") +
             " packets, " + at(pcap, "bytes") + " of " + at(pcap, "limit_bytes") + " bytes";
  if (const auto lost = at(pcap, "lost"); lost != "0") out += ", " + lost + " packets lost";
  if (const auto problem = at(pcap, "problem"); !problem.empty()) out += ", " + problem;
  return out;
}

/// What the upstream sees of a server's session.
std::string ports_of(const json& session) {
  std::string out;
  for (const auto& port : member(session, "upstream_ports"))
    out += (out.empty() ? "" : " ") + text_of(port);
  return out;
}

/// all: also those that answer
void append_shards(const json& status, bool all, std::string& out) {
  std::vector<row> rows{{"shard", "sessions", "offload", "buffers in use"}};
  for (const auto& s : member(status, "shards")) {
    const bool answers = member(s, "answers") == json(true);
    if (answers && !all) continue;
    if (answers)
      rows.push_back({at(s, "shard"), at(s, "sessions"), at(s, "tun_offload"),
                      at(s, "slabs_in_use") + " of " + at(s, "slabs")});
    else
      rows.push_back({at(s, "shard"), "does not answer"});
  }
  if (rows.size() > 1) out += '\n' + table(rows, 2);
}

/// Whether the program has the option as if nobody had given it.
bool is_preset(const json& status, const std::string& name, const std::string& value) {
  const auto* option = find_option(name);
  if (option == nullptr) return false;
  const auto side =
      at(status, "program") == program_name(role::server) ? role::server : role::client;
  return option->preset.of(side) == value;
}

} // namespace

std::string duration_text(std::int64_t seconds) {
  const auto two = [](std::int64_t a, const char* x, std::int64_t b, const char* y) {
    return std::to_string(a) + x + ' ' + std::to_string(b) + y;
  };
  if (seconds >= 86'400) return two(seconds / 86'400, "d", seconds % 86'400 / 3'600, "h");
  if (seconds >= 3'600) return two(seconds / 3'600, "h", seconds % 3'600 / 60, "m");
  if (seconds >= 60) return two(seconds / 60, "m", seconds % 60, "s");
  return std::to_string(seconds) + 's';
}

std::string status_table(const std::string& text, bool all) {
  const auto status = json::parse(text, nullptr, false);
  if (!status.is_object()) return {};
  auto out = at(status, "program") + ' ' + at(status, "version") + ", process " +
             at(status, "pid") + ", up " + duration_text(seconds_at(status, "uptime_s")) + '\n';
  std::vector<row> rows{{"device", device_line(status)}};
  if (all) rows.push_back({"offload", offload_line(status)});
  for (const auto& [name, part] : members(status, "parts").items()) {
    const auto detail = at(part, "detail");
    rows.push_back({name, at(part, "state") + (detail.empty() ? "" : ": " + detail)});
  }
  if (const auto line = capture_line(status); !line.empty()) rows.push_back({"capture", line});
  rows.push_back({"sessions", at(status, "sessions")});
  out += table(rows, 2);
  append_shards(status, all, out);
  rows.clear();
  for (const auto& [name, value] : members(status, "options").items())
    if (const auto shown = text_of(value);
        !shown.empty() && (all || !is_preset(status, name, shown)))
      rows.push_back({name, shown});
  if (!rows.empty()) out += "\n  options\n" + table(rows, 4);
  rows = nonzero(members(status, "counters"));
  if (all && !rows.empty()) out += "\n  counters\n" + table(rows, 4);
  return out;
}

std::string sessions_table(const std::string& text) {
  const auto answer = json::parse(text, nullptr, false);
  if (!answer.is_object()) return {};
  const auto& list = member(answer, "sessions");
  const bool server = std::any_of(list.begin(), list.end(), [](const json& s) {
    return s.is_object() && s.contains("upstream_ports");
  });
  std::vector<row> rows{{"session", "id", "peer", "state", "age", "connection", "", "profile"}};
  if (server) rows.front().insert(rows.front().begin() + 3, "upstream port");
  const auto columns = rows.front().size() - 3;
  for (const auto& s : list) {
    const auto tunnel = at(s, "tunnel");
    row first{at(s, "session"), at(s, "id"),
              at(s, "peer") + (tunnel.empty() ? "" : " (" + tunnel + ')'), at(s, "state"),
              duration_text(seconds_at(s, "age_s"))};
    if (server) first.insert(first.begin() + 3, ports_of(s));
    const auto& streams = member(s, "streams");
    if (streams.empty()) rows.push_back(first);
    for (const auto& each : streams) {
      first.push_back(at(each, "local") + " - " + at(each, "remote"));
      first.push_back(at(each, "state") + ' ' + duration_text(seconds_at(each, "age_s")));
      first.push_back(at(each, "profile"));
      rows.push_back(first);
      first = row(columns);
    }
  }
  auto out = table(rows, 0);
  const auto listed = list.size();
  const auto total = at(answer, "total");
  if (total != std::to_string(listed))
    out += std::to_string(listed) + " of " + total + " sessions\n";
  if (member(answer, "complete") == json(false)) out += "some did not answer in time\n";
  return out;
}

std::string counters_table(const std::string& text) {
  const auto answer = json::parse(text, nullptr, false);
  std::vector<row> rows;
  for (const auto& [name, value] : members(answer, "counters").items())
    rows.push_back({name, value.dump()});
  return table(rows, 0);
}

counter_values counters_in(const std::string& text) {
  const auto answer = json::parse(text, nullptr, false);
  counter_values out;
  for (const auto& [name, value] : members(answer, "counters").items())
    if (value.is_number_unsigned()) out[name] = value.get<std::uint64_t>();
  return out;
}

std::string counters_gained(const counter_values& before, const counter_values& now) {
  std::vector<row> rows;
  for (const auto& [name, value] : now) {
    const auto old = before.find(name);
    const auto was = old != before.end() ? old->second : 0;
    if (value > was) rows.push_back({name, '+' + std::to_string(value - was)});
  }
  return table(rows, 0);
}

} // namespace tonel::actors::app
