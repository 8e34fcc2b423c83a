#include "actors/messages/status.hpp"

#include "protocol/errc.hpp"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <string_view>

namespace tonel::actors {

namespace {

using json = nlohmann::ordered_json;

std::string dump(const json& value) {
  // Names and paths may hold any octets, but the answer has to be UTF-8.
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// Calls f(name, value) for each counter, zero or not.
template <class F> void each_counter(const std::vector<const counters*>& of, F f) {
  const auto sum = [&](auto which) {
    std::uint64_t n = 0;
    for (const auto* shard : of)
      n += shard->get(which);
    return n;
  };
  for (std::size_t i = 0; i < counter_count; ++i) {
    const auto c = static_cast<counter>(i);
    f(std::string{to_string(c)}, sum(c));
  }
  for (std::size_t i = 0; i < protocol::errc_count; ++i) {
    const auto e = static_cast<protocol::errc>(i);
    f(std::string{"dropped_"} + protocol::to_string(e), sum(e));
  }
}

json counters_of(const std::vector<const counters*>& of) {
  json out = json::object();
  each_counter(of, [&](const std::string& name, std::uint64_t n) { out[name] = n; });
  return out;
}

std::uint64_t log_dropped(const process_facts& facts) {
  return facts.log_dropped ? facts.log_dropped() : 0;
}

json process_counters(const process_facts& facts) {
  auto out = counters_of(facts.counts);
  out[log_dropped_name] = log_dropped(facts);
  return out;
}

std::string iso_time(std::chrono::system_clock::time_point at) {
  const auto seconds = std::chrono::system_clock::to_time_t(at);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

std::int64_t whole_seconds(std::chrono::nanoseconds of) {
  return std::chrono::duration_cast<std::chrono::seconds>(of).count();
}

std::int64_t uptime(const process_facts& facts, const status_snapshot& now) {
  return whole_seconds(now.at - facts.began);
}

const char* side_name(role side) { return side == role::client ? "client" : "server"; }

json shard_json(const process_facts& facts, const status_snapshot& now, std::size_t index) {
  json out{{"shard", index}};
  const auto at = std::find_if(now.shards.begin(), now.shards.end(),
                               [&](const shard_status& s) { return s.shard == index; });
  out["answers"] = at != now.shards.end();
  if (at != now.shards.end()) {
    out["sessions"] = at->sessions;
    out["tun_offload"] = at->offload;
    out["slabs_in_use"] = at->slabs_in_use;
    out["slabs"] = at->slabs;
  }
  out["counters"] = counters_of({facts.counts[index]});
  return out;
}

std::size_t session_count(const status_snapshot& now) {
  std::size_t n = 0;
  for (const auto& s : now.shards)
    n += s.sessions;
  return n;
}

json session_json(const session_status& s, role side) {
  json streams = json::array();
  for (const auto& each : s.streams)
    streams.push_back({{"local", each.tuple.local.to_string()},
                       {"remote", each.tuple.remote.to_string()},
                       {"state", each.state},
                       {"profile", protocol::to_string(each.wire)},
                       {"age_s", whole_seconds(each.age)}});
  json out{{"session", s.session},
           {"id", s.id},
           {"shard", s.shard},
           {"tunnel", s.tunnel},
           {"peer", s.peer.to_string()},
           {"state", s.state},
           {"age_s", whole_seconds(s.age)}};
  if (side == role::server) out["upstream_ports"] = s.upstream_ports;
  out["streams"] = std::move(streams);
  return out;
}

json capture_json(const sys::capture_status& now) {
  if (now.file.empty()) return {{"state", "off"}};
  json out{{"state", now.on              ? "on"
                     : now.limit_reached ? "limit"
                                         : "off"},
           {"file", now.file},
           {"packets", now.packets},
           {"bytes", now.octets},
           {"limit_bytes", now.limit},
           {"lost", now.lost}};
  if (!now.problem.empty()) out["problem"] = now.problem;
  return out;
}

} // namespace

bool status_snapshot::complete() const noexcept {
  std::size_t listed = 0;
  for (const auto& s : shards)
    listed += s.listed;
  return shards.size() == shards_asked && sessions.size() == listed;
}

const std::vector<tunnel_summary>& status_snapshot::tunnels() const noexcept {
  static const std::vector<tunnel_summary> none;
  return shards.empty() ? none : shards.front().tunnels;
}

std::string part_of(const tunnel_summary& tunnel) {
  return tunnel.name.empty() ? "tunnel" : "tunnel " + tunnel.name;
}

std::optional<std::string> dead_tunnel(const status_snapshot& now) {
  std::optional<std::string> why;
  for (const auto& tunnel : now.tunnels()) {
    const std::string_view state = tunnel.state;
    if (state == "works" || state == "unanswered") return std::nullopt;
    if (state == "failing" && !why) why = part_of(tunnel) + ": " + tunnel.words;
  }
  return why;
}

void remember(part_table& parts, const part_status& news) {
  if (news.state.empty())
    parts.erase(news.part);
  else
    parts[news.part] = news;
}

namespace {

std::string detail_of(const part_status& part, protocol::time_point now) {
  if (!part.unanswered_since) return part.detail;
  return "not answered for " + std::to_string(whole_seconds(now - *part.unanswered_since)) + " s";
}

} // namespace

namespace {

/// With the tunnels among them.
part_table with_tunnels(part_table parts, const status_snapshot& now) {
  for (const auto& tunnel : now.tunnels()) {
    auto detail = tunnel.words;
    if (!detail.empty())
      detail.insert(0, "for " + std::to_string(whole_seconds(tunnel.lasted)) + " s: ");
    remember(parts, {part_of(tunnel), tunnel.state, detail});
  }
  return parts;
}

} // namespace

std::string status_json(const process_facts& facts, const part_table& known,
                        const status_snapshot& now) {
  const auto parts = with_tunnels(known, now);
  json out;
  out["program"] = facts.program;
  out["version"] = facts.version;
  out["side"] = side_name(facts.side);
  out["pid"] = facts.pid;
  out["started"] = iso_time(facts.started);
  out["uptime_s"] = uptime(facts, now);
  bool offload = !now.shards.empty();
  for (const auto& s : now.shards)
    offload = offload && s.offload;
  out["tun"] = {{"name", facts.tun}, {"queues", facts.queues}};
  if (now.host.tun_drops) out["tun"]["queue_drops"] = *now.host.tun_drops;
  if (now.host_silent > now.host_silent.zero())
    out["tun"]["unanswered_s"] = whole_seconds(now.host_silent);
  out["offload"] = {
      {"tun", offload}, {"udp-gso", facts.offload.udp_gso}, {"udp-gro", facts.offload.udp_gro}};
  out["parts"] = json::object();
  for (const auto& [name, part] : parts)
    out["parts"][name] = {{"state", part.state}, {"detail", detail_of(part, now.at)}};
  if (facts.capture) out["pcap"] = capture_json(facts.capture());
  out["sessions"] = session_count(now);
  out["options"] = json::object();
  for (const auto& [name, value] : facts.options)
    out["options"][name] = value;
  out["shards"] = json::array();
  for (std::size_t i = 0; i < facts.counts.size(); ++i)
    out["shards"].push_back(shard_json(facts, now, i));
  out["counters"] = process_counters(facts);
  return dump(out);
}

std::string sessions_json(status_snapshot now, std::size_t most, role side) {
  auto& list = now.sessions;
  std::sort(list.begin(), list.end(),
            [](const auto& a, const auto& b) { return a.session < b.session; });
  const bool complete = now.complete();
  // Each shard gave up to `most` of its sessions, so only the first `most` of all have no gaps.
  const bool cut = list.size() > most;
  if (cut) list.resize(most);
  json out{{"total", session_count(now)}, {"complete", complete}, {"sessions", json::array()}};
  for (const auto& s : list)
    out["sessions"].push_back(session_json(s, side));
  // A full list may have more: `next` is the `after` of the next question.
  if (most != 0 && list.size() == most) out["next"] = list.back().session;
  return dump(out);
}

std::string counters_json(const process_facts& facts) {
  json shards = json::array();
  for (const auto* each : facts.counts)
    shards.push_back(counters_of({each}));
  return dump({{"counters", process_counters(facts)}, {"shards", std::move(shards)}});
}

std::string one_member_json(const char* name, const std::string& text) {
  return dump(json{{name, text}});
}

namespace {

/// A value in quotes.
std::string label(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out + '"';
}

class metrics {
public:
  void head(const std::string& name, const char* type, const char* help) {
    out_ += "# HELP tonel_" + name + ' ' + help + "\n# TYPE tonel_" + name + ' ' + type + '\n';
  }
  void line(const std::string& name, const std::string& labels, std::uint64_t value) {
    out_ += "tonel_" + name + (labels.empty() ? "" : '{' + labels + '}') + ' ' +
            std::to_string(value) + '\n';
  }
  std::string take() { return std::move(out_); }

private:
  std::string out_;
};

std::string of_shard(std::size_t index) { return "shard=" + label(std::to_string(index)); }

void append_counters(metrics& out, const std::vector<const counters*>& shards) {
  for (std::size_t i = 0; i < counter_count; ++i) {
    const auto c = static_cast<counter>(i);
    const auto name = std::string{to_string(c)} + "_total";
    out.head(name, "counter", "See docs/operations.md.");
    for (std::size_t s = 0; s < shards.size(); ++s)
      out.line(name, of_shard(s), shards[s]->get(c));
  }
  out.head("dropped_total", "counter", "Packets and datagrams not taken, by cause.");
  for (std::size_t i = 0; i < protocol::errc_count; ++i) {
    const auto e = static_cast<protocol::errc>(i);
    const auto reason = ",reason=" + label(protocol::to_string(e));
    for (std::size_t s = 0; s < shards.size(); ++s)
      out.line("dropped_total", of_shard(s) + reason, shards[s]->get(e));
  }
}

} // namespace

std::string metrics_text(const process_facts& facts, const part_table& known,
                         const status_snapshot& now) {
  const auto parts = with_tunnels(known, now);
  metrics out;
  out.head("info", "gauge", "The program, always 1.");
  out.line("info",
           "program=" + label(facts.program) + ",version=" + label(facts.version) +
               ",tun=" + label(facts.tun),
           1);
  out.head("uptime_seconds", "gauge", "Time since the start.");
  out.line("uptime_seconds", "",
           static_cast<std::uint64_t>(std::max<std::int64_t>(0, uptime(facts, now))));
  out.head("shard_up", "gauge", "Whether the shard answers.");
  for (std::size_t i = 0; i < facts.counts.size(); ++i)
    out.line("shard_up", of_shard(i),
             std::any_of(now.shards.begin(), now.shards.end(),
                         [i](const shard_status& s) { return s.shard == i; }));
  const auto gauge = [&](const char* name, const char* help, auto value) {
    out.head(name, "gauge", help);
    for (const auto& s : now.shards)
      out.line(name, of_shard(s.shard), value(s));
  };
  gauge("sessions", "Sessions now.", [](const shard_status& s) { return s.sessions; });
  gauge("streams", "Open streams now.", [](const shard_status& s) { return s.streams; });
  gauge("slabs_in_use", "Packet buffers in use.",
        [](const shard_status& s) { return s.slabs_in_use; });
  gauge("tun_offload", "Whether large packets pass the TUN queue whole.",
        [](const shard_status& s) { return std::uint64_t{s.offload}; });
  if (now.host.tun_drops) {
    out.head("tun_queue_drops_total", "counter",
             "Packets that the device's queue had no room for.");
    out.line("tun_queue_drops_total", "", *now.host.tun_drops);
  }
  out.head("host_unanswered_seconds", "gauge", "For how long the system has not answered.");
  out.line("host_unanswered_seconds", "",
           static_cast<std::uint64_t>(whole_seconds(now.host_silent)));
  out.head("part", "gauge", "The state of a part of the process, always 1.");
  for (const auto& [name, part] : parts)
    out.line("part", "part=" + label(name) + ",state=" + label(part.state), 1);
  out.head("tunnel_failing", "gauge", "Whether nothing gets through the tunnel, and why.");
  for (const auto& tunnel : now.tunnels()) {
    const bool failing = std::string_view{tunnel.state} == "failing";
    out.line("tunnel_failing",
             "tunnel=" + label(tunnel.name) + ",cause=" + label(failing ? tunnel.cause : ""),
             failing ? 1 : 0);
  }
  append_counters(out, facts.counts);
  out.head("log_dropped_total", "counter", "Lines of the log that were lost.");
  out.line("log_dropped_total", "", log_dropped(facts));
  return out.take();
}

} // namespace tonel::actors
