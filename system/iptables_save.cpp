#include "system/iptables_save.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <vector>

namespace tonel::sys {

namespace {

using json = nlohmann::json;
using words = std::vector<std::string>;

/// Takes a line apart as a shell does, quotes gone.
words words_of(const std::string& line) {
  words out;
  bool quoted = false, inside = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    auto c = line[i];
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ' ' && !quoted) {
      inside = false;
      continue;
    } else if (c == '\\' && quoted && i + 1 < line.size()) {
      c = line[++i];
    }
    if (!inside) out.emplace_back();
    inside = true;
    if (c != '"' || line[i - 1] == '\\') out.back() += c;
  }
  return out;
}

std::vector<std::string> parts_of(const std::string& list) {
  std::vector<std::string> out;
  std::istringstream in{list};
  for (std::string part; std::getline(in, part, ',');)
    out.push_back(part);
  return out;
}

std::string lower(std::string text) {
  for (auto& c : text)
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// A number, or none.
json number(const std::string& text) {
  const bool digits =
      !text.empty() && text.size() < 9 && text.find_first_not_of("0123456789") == std::string::npos;
  return digits ? json(std::stoul(text)) : json(text);
}

json port(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == std::string::npos) return number(text);
  const auto low = text.substr(0, colon), high = text.substr(colon + 1);
  return {{"range", {number(low.empty() ? "0" : low), number(high.empty() ? "65535" : high)}}};
}

json ports(const std::string& list) {
  json out = json::array();
  for (const auto& each : parts_of(list))
    out.push_back(port(each));
  return {{"set", out}};
}

json states(const std::string& list) {
  json out = json::array();
  for (const auto& each : parts_of(list))
    out.push_back(lower(each));
  return {{"set", out}};
}

json network(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos) return text;
  const auto bits = number(text.substr(slash + 1));
  // A mask that is written out is rare, and not known.
  if (!bits.is_number()) return text;
  return {{"prefix", {{"addr", text.substr(0, slash)}, {"len", bits}}}};
}

std::string interface(std::string name) {
  if (!name.empty() && name.back() == '+') name.back() = '*';
  return name;
}

json meta(const char* key) { return {{"meta", {{"key", key}}}}; }
json ct(const char* key) { return {{"ct", {{"key", key}}}}; }
json payload(const char* protocol, const char* field) {
  return {{"payload", {{"protocol", protocol}, {"field", field}}}};
}

/// One rule, word by word.
class reader {
public:
  reader(words w, bool v6, const std::set<std::string>& chains)
      : words_(std::move(w)), ip_(v6 ? "ip6" : "ip"), chains_(chains) {}

  /// From the third word on.
  json expressions() {
    for (at_ = 2; at_ < words_.size(); ++at_) {
      const auto& word = words_[at_];
      if (word == "!") {
        not_ = true;
        continue;
      }
      if (word == "-j" || word == "-g") {
        target(next(), word == "-g");
        break; // what follows is the target's
      }
      take(word);
      not_ = false;
    }
    return std::move(out_);
  }

private:
  std::string next() { return at_ + 1 < words_.size() ? words_[++at_] : std::string{}; }
  void match(json left, json right) {
    out_.push_back(
        {{"match",
          {{"op", not_ ? "!=" : "=="}, {"left", std::move(left)}, {"right", std::move(right)}}}});
  }
  void unknown() { out_.push_back({{"xt", {{"type", "match"}, {"name", "unknown"}}}}); }

  void take(const std::string& word) {
    if (word == "-i")
      match(meta("iifname"), interface(next()));
    else if (word == "-o")
      match(meta("oifname"), interface(next()));
    else if (word == "-s")
      match(payload(ip_, "saddr"), network(next()));
    else if (word == "-d")
      match(payload(ip_, "daddr"), network(next()));
    else if (word == "-p")
      match(meta("l4proto"), lower(next()));
    else if (word == "--sport" || word == "--dport")
      match(payload("th", word.c_str() + 2), port(next()));
    else if (word == "--sports" || word == "--dports")
      match(payload("th", word == "--sports" ? "sport" : "dport"), ports(next()));
    else if (word == "--ctstate" || word == "--state")
      match(ct("state"), states(next()));
    else if (word == "-m" || word == "--comment")
      next(); // what a module looks at is in its options
    else if (word.rfind('-', 0) == 0)
      unknown(); // its values are no words that begin so
  }

  void target(const std::string& name, bool leave) {
    static const std::map<std::string, const char*> verdicts{
        {"ACCEPT", "accept"}, {"DROP", "drop"}, {"REJECT", "reject"}, {"RETURN", "return"}};
    static const std::set<std::string> passing{
        "LOG",      "NFLOG", "ULOG", "MARK", "CONNMARK", "TCPMSS",  "CT",
        "CLASSIFY", "TRACE", "SET",  "DSCP", "CHECKSUM", "SECMARK", "NOTRACK"};
    if (const auto verdict = verdicts.find(name); verdict != verdicts.end())
      out_.push_back({{verdict->second, nullptr}});
    else if (chains_.count(name) != 0)
      out_.push_back({{leave ? "goto" : "jump", {{"target", name}}}});
    else if (passing.count(name) == 0)
      out_.push_back({{"xt", {{"type", "target"}, {"name", name}}}});
  }

  words words_;
  const char* ip_;
  const std::set<std::string>& chains_;
  json out_ = json::array();
  std::size_t at_ = 0;
  bool not_ = false;
};

} // namespace

std::string json_of_iptables(std::string_view saved, bool v6, const std::string& suffix) {
  const std::string family = v6 ? "ip6" : "ip";
  json out = json::array();
  std::string table;
  std::set<std::string> chains;
  std::istringstream lines{std::string{saved}};
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    if (line[0] == '*') {
      table = line.substr(1) + suffix;
      chains.clear();
      continue;
    }
    const auto w = words_of(line);
    if (line[0] == ':' && w.size() > 1) {
      const auto name = w[0].substr(1);
      chains.insert(name);
      json chain{{"family", family}, {"table", table}, {"name", name}};
      if (w[1] != "-") {
        chain["hook"] = lower(name);
        chain["type"] = table.rfind("nat", 0) == 0 ? "nat" : "filter";
        chain["policy"] = lower(w[1]);
      }
      out.push_back({{"chain", std::move(chain)}});
    } else if (w.size() > 1 && w[0] == "-A") {
      out.push_back({{"rule",
                      {{"family", family},
                       {"table", table},
                       {"chain", w[1]},
                       {"text", line},
                       {"expr", reader{w, v6, chains}.expressions()}}}});
    }
  }
  return json{{"nftables", std::move(out)}}.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace tonel::sys
