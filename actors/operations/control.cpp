#include "actors/operations/control.hpp"

#include "actors/runtime/log.hpp"
#include "system/process.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

namespace tonel::actors {

namespace {

using json = nlohmann::json;
using namespace std::chrono_literals;

// The most sessions in one answer; tonelctl asks again for more.
constexpr std::size_t most_sessions = 1'000;
// Time for an order: names may have to be resolved, and a disk may be slow.
constexpr auto order_patience = 8s;
// The range of --pcap-limit.
constexpr std::uint64_t most_limit_mib = 1'048'576;
// The patience is longer than tonelctl --watch sleeps between questions.
constexpr connection_bounds bounds{16, std::size_t{16} << 10, 30s};

bool may_connect(const sys::stream_connection& from) {
  const auto user = from.peer_user();
  return user && (*user == 0 || *user == sys::user_id());
}

std::uint64_t number(const json& request, const char* name, std::uint64_t otherwise) {
  const auto at = request.find(name);
  return at != request.end() && at->is_number_unsigned() ? at->get<std::uint64_t>() : otherwise;
}

std::string text(const json& request, const char* name) {
  const auto at = request.find(name);
  return at != request.end() && at->is_string() ? at->get<std::string>() : std::string{};
}

} // namespace

caf::behavior control(pinned<control_state>* self, const status_start& start) {
  self->state.start(start);
  return status_behavior<control_actor>(
      self,
      [=](session_status& s) {
        and_arm(self, [&](auto& st) { st.collector->take(std::move(s)); });
      },
      [=](const session_closed& c) { and_arm(self, [&](auto& st) { st.collector->take(c); }); },
      [=](const reload_done& done) { and_arm(self, [&](auto& st) { st.on_reloaded(done); }); },
      [=](const capture_done& done) { and_arm(self, [&](auto& st) { st.on_captured(done); }); });
}

void control_state::start(const status_start& s) {
  serve(*self, s, bounds, may_connect,
        [this](connections::client_id client, std::string& input) { return take(client, input); });
}

bool control_state::take(connections::client_id client, std::string& input) {
  const auto end = input.find('\n');
  if (end == std::string::npos) return false;
  const auto line = input.substr(0, end);
  input.erase(0, end + 1);
  obey(client, line);
  return true;
}

void control_state::obey(connections::client_id client, const std::string& line) {
  const auto request = json::parse(line, nullptr, false);
  const auto command = request.is_object() ? request.find("command") : request.end();
  if (!request.is_object() || command == request.end() || !command->is_string()) {
    answer(client, one_member_json("error", "a request is a JSON object with a \"command\""));
    return;
  }
  const auto what = command->get<std::string>();
  if (what == "status") {
    collector->ask_all([this, client](const status_snapshot& now) {
      answer(client, status_json(*given.facts, parts, now));
    });
  } else if (what == "sessions") {
    const auto most = std::min<std::uint64_t>(most_sessions, number(request, "most", 100));
    sessions(client, static_cast<std::size_t>(most), number(request, "after", 0));
  } else if (what == "counters") {
    answer(client, counters_json(*given.facts));
  } else if (what == "close") {
    close(client, number(request, "session", 0));
  } else if (what == "reload") {
    reload(client);
  } else if (what == "pcap") {
    capture(client, request);
  } else {
    answer(client, one_member_json("error", "no command \"" + what +
                                                "\"; there are status, sessions, counters, "
                                                "close, reload and pcap"));
  }
}

void control_state::sessions(connections::client_id client, std::size_t most, std::uint64_t after) {
  collector->ask(most, after, [this, client, most](status_snapshot now) {
    answer(client, sessions_json(std::move(now), most, given.facts->side));
  });
}

void control_state::close(connections::client_id client, std::uint64_t session) {
  if (session == 0) {
    answer(client, one_member_json("error", "close needs the \"session\", a number"));
    return;
  }
  collector->close(session, [this, client, session](bool found) {
    if (found)
      answer(client, R"({"closed":)" + std::to_string(session) + '}');
    else
      answer(client, one_member_json("error", "there is no session " + std::to_string(session)));
  });
}

std::uint64_t control_state::give_order(connections::client_id client, const char* late) {
  orders[++last_order] = {client, self->now() + order_patience, late};
  return last_order;
}

void control_state::carried_out(std::uint64_t question, const char* member, bool done,
                                const std::string& detail) {
  const auto at = orders.find(question);
  if (at == orders.end()) return;
  const auto client = at->second.client;
  orders.erase(at);
  answer(client, one_member_json(done ? member : "error", detail));
}

void control_state::reload(connections::client_id client) {
  const auto question =
      give_order(client, "the reload is still under way; the log tells how it ends");
  self->send(as<root_supervisor_actor>(given.root),
             ask_reload{caf::actor_cast<caf::actor>(self), question});
}

void control_state::on_reloaded(const reload_done& result) {
  carried_out(result.question, "reloaded", result.done, result.detail);
}

template <class Request>
void control_state::capture(connections::client_id client, const Request& request) {
  const auto what = text(request, "do");
  capture_order wanted;
  wanted.start = what == "start";
  wanted.path = text(request, "file");
  wanted.limit_mib = number(request, "limit_mib", 0);
  std::string problem;
  if (!wanted.start && what != "stop")
    problem = "pcap needs a \"do\", which is start or stop";
  else if (wanted.start && (wanted.path.empty() || wanted.path.front() != '/'))
    problem = "pcap start needs the \"file\", a path from the root";
  else if (wanted.limit_mib > most_limit_mib ||
           (wanted.limit_mib == 0 && request.contains("limit_mib")))
    problem = "the \"limit_mib\" is 1 to " + std::to_string(most_limit_mib);
  else if (!given.capture)
    problem = "there is nothing to capture";
  if (!problem.empty()) return answer(client, one_member_json("error", problem));
  wanted.question = give_order(client, "the disk is slow; status tells how the capture is");
  given.capture(wanted, caf::actor_cast<caf::actor>(self));
}

void control_state::on_captured(const capture_done& result) {
  carried_out(result.question, "pcap", result.done, result.detail);
}

void control_state::answer(connections::client_id client, std::string line) {
  clients->answer(client, std::move(line) + '\n', false);
}

void control_state::on_timer() {
  collector->on_timer();
  const auto now = self->now();
  for (auto at = orders.begin(); at != orders.end();) {
    const auto here = at++;
    if (here->second.deadline > now) continue;
    const auto late = here->second;
    orders.erase(here);
    answer(late.client, one_member_json("error", late.late));
  }
  clients->on_timer();
}

void control_state::arm() {
  auto next = next_deadline();
  for (const auto& [id, each] : orders)
    if (!next || each.deadline < *next) next = each.deadline;
  self->arm(next);
}

} // namespace tonel::actors
