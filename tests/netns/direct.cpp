// The direct path alone, for tests in namespaces: takes commands from the standard input, one a line, and
// answers each by one line.
//
//   plan server|client tun=NAME uplink=NAME... port=PORT[@ADDRESS][<NET,...]... remote=ADDRESS%NUMBER...
//        mark=N arrival
//   take|release LOCAL REMOTE
//   counters
//
// usage: tonel-direct FOLDER auto|tcx|clsact

#include "system/direct_path.hpp"

#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace tonel;
using protocol::endpoint;
using protocol::ip_address;

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> out;
  std::istringstream in{text};
  for (std::string word; std::getline(in, word, at);)
    out.push_back(word);
  return out;
}

sys::ip_net parse_net(const std::string& text) {
  const auto slash = text.find('/');
  return {ip_address::parse(text.substr(0, slash)).value(),
          static_cast<unsigned>(std::stoul(text.substr(slash + 1)))};
}

sys::direct_port parse_port(const std::string& text) {
  sys::direct_port out;
  const auto parts = split(text, '<');
  const auto at = split(parts.at(0), '@');
  out.port = static_cast<std::uint16_t>(std::stoul(at.at(0)));
  if (at.size() > 1) out.address = ip_address::parse(at[1]).value();
  if (parts.size() > 1)
    for (const auto& net : split(parts[1], ','))
      out.allow.push_back(parse_net(net));
  return out;
}

sys::direct_plan parse_plan(std::istream& in) {
  sys::direct_plan out;
  for (std::string word; in >> word;) {
    const auto at = word.find('=');
    const auto key = word.substr(0, at);
    const auto value = at == std::string::npos ? "" : word.substr(at + 1);
    if (key == "server") out.server = true;
    if (key == "arrival") out.reply_by_arrival = true;
    if (key == "tun") out.tun = value;
    if (key == "uplink") out.uplinks.push_back(value);
    if (key == "port") out.ports.push_back(parse_port(value));
    if (key == "mark") out.mark = static_cast<std::uint32_t>(std::stoul(value));
    if (key == "remote") {
      const auto parts = split(value, '%');
      out.remotes.push_back({{ip_address::parse(parts.at(0)).value(), 0},
                             static_cast<std::uint32_t>(std::stoul(parts.at(1)))});
    }
  }
  return out;
}

std::string text_of(const sys::result<sys::direct_report>& done) {
  if (!done) return "error " + done.error().to_string();
  std::string out = "ok " + done->means + (done->repaired ? " repaired" : " as it was");
  for (const auto& device : done->devices)
    out += ' ' + device;
  for (const auto& note : done->notes)
    out += "; " + note;
  return out;
}

std::string answer(sys::direct_path& path, const std::string& line) {
  std::istringstream in{line};
  std::string command;
  in >> command;
  if (command == "plan") return text_of(path.ensure(parse_plan(in)));
  if (command == "take" || command == "release") {
    std::string local, remote;
    in >> local >> remote;
    const protocol::four_tuple tuple{endpoint::parse(local).value(),
                                     endpoint::parse(remote).value()};
    if (command == "take") {
      const auto done = path.take(tuple);
      return done ? "ok" : "error " + done.error().to_string();
    }
    path.release(tuple);
    return "ok";
  }
  const auto n = path.counters();
  std::ostringstream out;
  out << "taken=" << n.taken << " refused=" << n.refused << " sent=" << n.sent
      << " strange=" << n.strange << " lost=" << n.lost;
  return out.str();
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::map<std::string_view, sys::direct_means> means{{"auto", sys::direct_means::automatic},
                                                            {"tcx", sys::direct_means::tcx},
                                                            {"clsact", sys::direct_means::clsact}};
  auto path = sys::direct_path::open(argv[1], means.at(argv[2]));
  std::cout << (path ? "ok" : "error " + path.error().to_string()) << std::endl;
  if (!path) return 1;
  for (std::string line; std::getline(std::cin, line);)
    std::cout << answer(**path, line) << std::endl;
  return 0;
}
