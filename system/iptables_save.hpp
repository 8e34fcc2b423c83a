#pragma once

#include <string>
#include <string_view>

namespace tonel::sys {

/// The output of iptables-save as JSON of nftables, as far as ruleset reads it. nftables itself does not
/// show what the matches of iptables look at. What is not known here is a match that may hold or not.
/// Shape:  suffix: for the names of tables, where they are not those of nftables
/// Source: man 8 iptables, iptables-extensions; man 5 libnftables-json
std::string json_of_iptables(std::string_view saved, bool v6, const std::string& suffix = {});

} // namespace tonel::sys
