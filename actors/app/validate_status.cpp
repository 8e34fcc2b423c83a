#include "actors/app/validate_status.hpp"

namespace tonel::actors::app {

using protocol::endpoint;
using protocol::ip_address;

namespace {

void read_metrics(reader& in, settings& out) {
  const auto text = in.text("metrics");
  if (text == "off") return;
  if (const auto port = parse_port(text))
    out.metrics = endpoint{ip_address::v4(127, 0, 0, 1), *port};
  else if (const auto where = endpoint::parse(text); where && where->port != 0)
    out.metrics = where;
  else
    in.refuse("metrics", "must be off, a port, or IPv4:PORT or [IPv6]:PORT, the port 1 to 65535");
}

} // namespace

void read_status(reader& in, settings& out) {
  out.control_path = std::string{in.text("control")};
  // What the kernel takes as the name of a local socket (man 7 unix).
  if (out.control_path.size() > 107) in.refuse("control", "must be at most 107 characters");
  read_metrics(in, out);
  out.pcap = in.file("pcap");
  out.pcap_limit_mib = in.number("pcap-limit");
}

} // namespace tonel::actors::app
