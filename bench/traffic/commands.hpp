#pragma once

#include <string>
#include <vector>

namespace tonel::bench {

using words = std::vector<std::string>;

// The subcommands; each gives the program's exit code.
int run_send(const words& args);
int run_sink(const words& args);
int run_echo(const words& args);
int run_ping(const words& args);
int run_pulse(const words& args);
int run_churn(const words& args);

} // namespace tonel::bench
