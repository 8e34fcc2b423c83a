#include "bench/limit/tun.hpp"

#include "bench/limit/wire.hpp"
#include "bench/traffic/net.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>

namespace tonel::bench {
namespace {

sockaddr address_of(const std::string& text) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) != 1) die("not an IPv4 address: " + text);
  sockaddr result{};
  std::memcpy(&result, &v4, sizeof result);
  return result;
}

} // namespace

int open_tun(const std::string& name, const std::string& address, const std::string& peer,
             int queue_length) {
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) die("/dev/net/tun");
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = static_cast<short>(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE);
  if (ioctl(fd, TUNSETIFF, &request) != 0) die("TUNSETIFF " + name);
  int header = vnet_size;
  if (ioctl(fd, TUNSETVNETHDRSZ, &header) != 0) die("TUNSETVNETHDRSZ");
  if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) != 0) die("TUNSETOFFLOAD");

  const int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  request.ifr_addr = address_of(address);
  if (ioctl(control, SIOCSIFADDR, &request) != 0) die("SIOCSIFADDR " + address);
  request.ifr_dstaddr = address_of(peer);
  if (ioctl(control, SIOCSIFDSTADDR, &request) != 0) die("SIOCSIFDSTADDR " + peer);
  request.ifr_qlen = queue_length;
  if (ioctl(control, SIOCSIFTXQLEN, &request) != 0) die("SIOCSIFTXQLEN");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(control, SIOCSIFFLAGS, &request) != 0) die("SIOCSIFFLAGS");
  close(control);
  return fd;
}

} // namespace tonel::bench
