#include "system/rule_backend.hpp"

#include "system/command.hpp"
#include "system/forward_obstacles.hpp"
#include "system/nft_context.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <sstream>
#include <utility>

namespace tonel::sys {

namespace {

constexpr std::pair<backend_kind, const char*> kinds[] = {
    {backend_kind::automatic, "auto"}, {backend_kind::owned, "owned"},
    {backend_kind::shared, "nft"},     {backend_kind::iptables, "iptables"},
    {backend_kind::direct, "bpf"},
};

bool is_of_an_instance(const std::string& table) { return table.rfind("tonel_", 0) == 0; }

class nft_backend : public rule_backend {
public:
  // Reading has a context of its own: the library may reopen its socket when others change rules
  // meanwhile, and an owned table is removed with the socket that made it.
  nft_backend(nft_context writer, nft_context reader, table_kind kind)
      : writer_{std::move(writer)}, reader_{std::move(reader)}, kind_{kind} {}

  backend_kind kind() const noexcept override {
    return kind_ == table_kind::owned ? backend_kind::owned : backend_kind::shared;
  }

  result<void> apply(const rule_plan& plan) override {
    auto statements = nft_statements(plan, kind_);
    // A table cannot change its kind, owned or shared, and a table left by an earlier process may
    // have other chains: so it is removed first.
    if (!there(plan.table)) {
      const auto removal = removal_of(plan.table);
      statements.insert(statements.begin(), removal.begin(), removal.end());
    }
    listing_.clear();
    if (auto done = writer_.run(statements); !done) return unexpected{done.error()};
    table_ = plan.table;
    auto listing = list("table inet " + table_);
    if (!listing) return unexpected{listing.error()};
    listing_ = std::move(*listing);
    return {};
  }

  result<bool> intact() override {
    auto listing = list("table inet " + table_);
    if (!listing) {
      if (listing.error().number == ENOENT) return false;
      return unexpected{listing.error()};
    }
    return *listing == listing_;
  }

  result<void> remove(const std::string& table) override {
    auto done = writer_.run(removal_of(table));
    if (!done) return unexpected{done.error()};
    if (table == table_) listing_.clear();
    return {};
  }

  result<std::string> list(const std::string& what) override { return reader_.run("list " + what); }
  bool concerns(const std::string& changed, const std::string&) const override {
    // Other instances' too: the rules let the packets of each of them pass.
    return is_of_an_instance(changed);
  }

private:
  bool there(const std::string& table) const { return table == table_ && !listing_.empty(); }
  /// A table left by an earlier process is not owned: the kernel would have removed it.
  std::vector<std::string> removal_of(const std::string& table) const {
    return nft_removal_statements(table, table == table_ ? kind_ : table_kind::shared);
  }

  nft_context writer_, reader_;
  table_kind kind_;
  std::string table_;
  std::string listing_; // of the table, as the kernel has it after apply()
};

class iptables_backend : public rule_backend {
public:
  explicit iptables_backend(bool legacy) : legacy_{legacy} {}

  backend_kind kind() const noexcept override { return backend_kind::iptables; }

  result<void> apply(const rule_plan& plan) override {
    if (plan.nat == nat_mode::stateless)
      return unexpected{
          os_error{EOPNOTSUPP, "iptables", "--nat stateless needs nftables on this host"}};
    tag_ = plan.table;
    for (std::size_t i = 0; i < families_.size(); ++i) {
      if (auto done = replace(families_[i], plan.table, iptables_rules(plan, i == 1)); !done) {
        // A host without IPv6 has no ip6tables either, and so no rules to remove.
        if (i == 1 && !plan.peer6) continue;
        return done;
      }
      auto lines = lines_of(families_[i], tag_);
      if (!lines) return unexpected{lines.error()};
      applied_[i] = std::move(*lines);
    }
    return {};
  }

  result<bool> intact() override {
    for (std::size_t i = 0; i < families_.size(); ++i) {
      auto lines = lines_of(families_[i], tag_);
      if (!lines) {
        if (applied_[i].empty()) continue;
        return unexpected{lines.error()};
      }
      if (*lines != applied_[i]) return false;
    }
    return true;
  }

  result<void> remove(const std::string& table) override {
    result<void> all;
    for (std::size_t i = 0; i < families_.size(); ++i)
      if (auto done = replace(families_[i], table, {}); !done && i == 0) all = done;
    return all;
  }

  result<std::string> list(const std::string& what) override {
    auto context = nft_context::open();
    if (!context) return unexpected{context.error()};
    return context->run("list " + what);
  }
  bool concerns(const std::string& changed, const std::string&) const override {
    return is_of_an_instance(changed) || changed == "filter" || changed == "nat" ||
           changed == "mangle";
  }
  bool must_be_asked() const noexcept override { return legacy_; }

private:
  static result<std::vector<std::string>> lines_of(const char* program, const std::string& tag) {
    const auto saved = run_command({std::string{program} + "-save"});
    if (!saved) return unexpected{saved.error()};
    return iptables_lines_of(*saved, tag);
  }

  static result<void> replace(const char* program, const std::string& tag,
                              const std::vector<iptables_rule>& rules) {
    const auto saved = run_command({std::string{program} + "-save"});
    if (!saved) return unexpected{saved.error()};
    const auto text = iptables_restore_text(*saved, tag, rules);
    if (text.empty()) return {};
    const auto done =
        run_command({std::string{program} + "-restore", "--noflush", "--wait", "5"}, text);
    if (!done) return unexpected{done.error()};
    return {};
  }

  static constexpr std::array<const char*, 2> families_{"iptables", "ip6tables"};
  bool legacy_;
  std::string tag_;
  std::array<std::vector<std::string>, 2> applied_;
};

result<std::unique_ptr<rule_backend>> open_nft(table_kind kind) {
  auto writer = nft_context::open();
  if (!writer) return unexpected{writer.error()};
  auto reader = nft_context::open();
  if (!reader) return unexpected{reader.error()};
  // Only making a table shows whether the kernel knows this kind.
  const std::string flags = kind == table_kind::owned ? " { flags owner; }" : "";
  const std::string probe = "table inet tonel-probe-" + std::to_string(::getpid());
  if (auto done = writer->run({"add " + probe + flags, "delete " + probe}); !done)
    return unexpected{done.error()};
  return std::unique_ptr<rule_backend>{
      std::make_unique<nft_backend>(std::move(*writer), std::move(*reader), kind)};
}

result<std::unique_ptr<rule_backend>> open_iptables() {
  const auto version = run_command({"iptables", "-V"});
  if (!version) return unexpected{version.error()};
  const bool nf_tables = version->find("nf_tables") != std::string::npos;
  return std::unique_ptr<rule_backend>{std::make_unique<iptables_backend>(!nf_tables)};
}

} // namespace

const char* to_string(backend_kind kind) noexcept {
  for (const auto& [k, name] : kinds)
    if (k == kind) return name;
  return "";
}

const char* known_backend_kinds() noexcept { return "auto, bpf, owned, nft or iptables"; }

std::optional<backend_kind> parse_backend_kind(std::string_view name) noexcept {
  for (const auto& [kind, text] : kinds)
    if (name == text) return kind;
  return {};
}

result<std::unique_ptr<rule_backend>> open_backend(backend_kind kind) {
  switch (kind) {
  case backend_kind::owned: return open_nft(table_kind::owned);
  case backend_kind::shared: return open_nft(table_kind::shared);
  case backend_kind::iptables: return open_iptables();
  case backend_kind::pf: return unexpected{os_error{EOPNOTSUPP, "firewall", "pf is macOS'"}};
  case backend_kind::direct:
    return unexpected{os_error{EOPNOTSUPP, "firewall", "bpf has no rules"}};
  case backend_kind::automatic: break;
  }
  auto nft = open_nft(table_kind::owned);
  if (nft) return nft;
  nft = open_nft(table_kind::shared);
  // Without the privilege iptables would fail as well, with a less clear message.
  if (nft || nft.error().number == EPERM) return nft;
  auto iptables = open_iptables();
  if (!iptables && iptables.error().number == ENOENT) return nft;
  return iptables;
}

std::vector<std::string> forward_obstacles(rule_backend& backend, const rule_plan& plan) {
  std::vector<std::string> out;
  auto nft = nft_context::open(nft_context::output::json);
  if (!nft) return out;
  // Table by table: as JSON, nft 1.0.6 breaks off at a table that is owned.
  std::istringstream lines{backend.list("tables").value_or("")};
  for (std::string word, family, table; lines >> word >> family >> table;) {
    if (is_of_an_instance(table)) continue;
    const auto listing =
        nft->run(std::string{"list table "}.append(family).append(" ").append(table));
    const auto rules = listing ? ruleset::parse(*listing) : std::nullopt;
    if (!rules) continue;
    for (auto& text : forward_obstacles(*rules, plan, backend.kind()))
      out.push_back(std::move(text));
  }
  return out;
}

std::vector<std::string> tables_of_others(rule_backend& backend, const std::string& our_table) {
  std::vector<std::string> out;
  std::istringstream lines{backend.list("tables").value_or("")};
  for (std::string word, family, table; lines >> word >> family >> table;)
    if (family == "inet" && is_of_an_instance(table) && table != our_table) out.push_back(table);
  return out;
}

} // namespace tonel::sys
