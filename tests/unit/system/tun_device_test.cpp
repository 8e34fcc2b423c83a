#include "system/fake/fake_kernel.hpp"
#include "system/tun_device.hpp"

#include <boost/test/unit_test.hpp>

#include <linux/if_tun.h>

#include <cerrno>
#include <string>

using namespace tonel;
using namespace tonel::sys;

namespace {

protocol::ip_address ip(const char* text) { return *protocol::ip_address::parse(text); }

template <class T> std::string why(const result<T>& r) {
  return r ? std::string{} : r.error().to_string();
}

struct device_fixture {
  fake_kernel k;
  tun_options options = [] {
    tun_options o;
    o.name = "tonel0";
    o.queues = 2;
    o.mtu = 1400;
    o.local4 = ip("192.0.2.1");
    o.peer4 = ip("192.0.2.2");
    o.local6 = ip("2001:db8::1");
    o.peer6 = ip("2001:db8::2");
    return o;
  }();
  result<tun_device> open() { return tun_device::open(k, options); }
  fake_kernel::link& link() { return k.links.at("tonel0"); }
  fake_kernel::link& link(const std::string& name) { return k.links[name]; }

  /// Another program renames a device.
  void rename(const std::string& from, const std::string& to) {
    auto moved = k.links.extract(from);
    moved.key() = to;
    k.links.insert(std::move(moved));
  }

  /// A TUN made beforehand by somebody else.
  void make_persistent() {
    auto& l = k.links["tonel0"];
    l.index = 3;
    l.persistent = true;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(tun_device_test, device_fixture)

BOOST_AUTO_TEST_CASE(it_comes_up_with_addresses_and_all_queues) {
  const auto d = open();
  BOOST_TEST_REQUIRE(d.has_value(), why(d));
  BOOST_TEST(d->name() == "tonel0");
  BOOST_TEST(d->queues() == 2u);
  BOOST_TEST(d->ipv6());
  BOOST_TEST(d->notes().empty());
  BOOST_TEST(link().up);
  BOOST_TEST(link().mtu == 1400u);
  BOOST_TEST(link().txqueuelen == 2048u);
  BOOST_TEST(link().link_local_off);
  BOOST_TEST_REQUIRE(link().addresses.size() == 2u);
  BOOST_TEST(link().addresses[0].local.to_string() == "192.0.2.1");
  BOOST_TEST(link().addresses[0].peer.to_string() == "192.0.2.2");
  BOOST_TEST(link().addresses[0].prefix == 32u);
  BOOST_TEST(link().addresses[1].local.to_string() == "2001:db8::1");
  BOOST_TEST(link().addresses[1].prefix == 128u);
  BOOST_TEST(k.calls("ioctl TUNSETIFF") == 2u);
  BOOST_TEST((k.tun_flags & IFF_MULTI_QUEUE) != 0);
  BOOST_TEST((k.tun_flags & IFF_VNET_HDR) != 0);
  BOOST_TEST((k.tun_flags & IFF_NO_PI) != 0);
}

BOOST_AUTO_TEST_CASE(the_kernel_picks_a_name) {
  options.name.clear();
  const auto d = open();
  BOOST_TEST_REQUIRE(d.has_value());
  BOOST_TEST(d->name() == "tun0");
}

BOOST_AUTO_TEST_CASE(a_device_that_was_handed_over_is_used_as_it_is) {
  for (const bool vnet : {true, false}) {
    fake_kernel fresh;
    const auto flags = IFF_TUN | IFF_NO_PI | (vnet ? IFF_VNET_HDR : 0);
    options.fd = fresh.hand_over("theirs", static_cast<short>(flags));
    auto& theirs = fresh.links.at("theirs");
    theirs.up = true;
    theirs.mtu = 1400;
    theirs.txqueuelen = 2048;
    theirs.persistent = true;
    theirs.addresses.push_back({ip("192.0.2.1"), ip("192.0.2.2"), 24});
    {
      auto d = tun_device::open(fresh, options);
      BOOST_TEST_REQUIRE(d.has_value(), why(d));
      BOOST_TEST(d->name() == "theirs");
      BOOST_TEST(d->queues() == 1u);
      BOOST_TEST(d->queue(0).offload() == vnet);
      BOOST_TEST(d->notes().size() == (vnet ? 0u : 1u));
      BOOST_TEST(fresh.calls("ioctl TUNSETIFF") == 0u);
      BOOST_TEST(theirs.addresses.size() == 2u); // and IPv6
    }
    // What was there before stays, what was added goes.
    BOOST_TEST_REQUIRE(theirs.addresses.size() == 1u);
    BOOST_TEST(theirs.addresses[0].local.to_string() == "192.0.2.1");
    BOOST_TEST(fresh.open_descriptors() == 0u);
  }
}

BOOST_AUTO_TEST_CASE(a_descriptor_that_is_no_tun_is_an_error) {
  options.fd = 77;
  BOOST_TEST(open().error().number == EBADF);
  for (const int flags : {IFF_TAP | IFF_NO_PI, IFF_TUN + 0}) {
    fake_kernel fresh;
    options.fd = fresh.hand_over("theirs", static_cast<short>(flags));
    const auto d = tun_device::open(fresh, options);
    BOOST_TEST_REQUIRE(!d.has_value());
    BOOST_TEST(d.error().number == EINVAL);
    BOOST_TEST(d.error().operation == std::string{"ioctl TUNGETIFF"});
    BOOST_TEST(fresh.open_descriptors() == 0u);
  }
}

BOOST_AUTO_TEST_CASE(what_must_work_fails_with_its_call_and_leaves_nothing_open) {
  struct row {
    const char* call;
    int error;
    unsigned after;
  };
  const row table[] = {
      {"socket AF_NETLINK", EMFILE, 0},   {"open /dev/net/tun", ENOENT, 0},
      {"open /dev/net/tun", EACCES, 0},   {"open /dev/net/tun", EMFILE, 1}, // the second queue's
      {"ioctl TUNSETIFF", EPERM, 0},      {"ioctl TUNSETIFF", EBUSY, 0},
      {"ioctl TUNSETIFF", E2BIG, 1},      {"ioctl TUNSETVNETHDRSZ", EFAULT, 0},
      {"netlink RTM_GETLINK", EPERM, 1}, // the first only looks for another user
      {"netlink RTM_NEWLINK", EPERM, 1}, // the first only quiets IPv6
      {"netlink RTM_GETADDR", ENOMEM, 0}, {"netlink RTM_NEWADDR", EPERM, 0},
  };
  for (const auto& r : table) {
    fake_kernel fresh;
    fresh.fail(r.call, r.error, 1, r.after);
    const auto d = tun_device::open(fresh, options);
    BOOST_TEST_REQUIRE(!d.has_value(), r.call);
    BOOST_TEST(d.error().number == r.error);
    BOOST_TEST(d.error().operation == std::string{r.call});
    BOOST_TEST(fresh.open_descriptors() == 0u);
    BOOST_TEST(fresh.links.empty());
  }
}

BOOST_AUTO_TEST_CASE(netlink_that_goes_dumb_is_an_error) {
  for (const char* call : {"send", "recv"}) {
    fake_kernel fresh;
    fresh.fail(call, ENOBUFS, 100);
    const auto d = tun_device::open(fresh, options);
    BOOST_TEST_REQUIRE(!d.has_value());
    BOOST_TEST(d.error().number == ENOBUFS);
  }
}

BOOST_AUTO_TEST_CASE(a_kernel_without_vnet_header_is_used_without) {
  k.fail("ioctl TUNSETIFF", EINVAL);
  const auto d = open();
  BOOST_TEST_REQUIRE(d.has_value());
  BOOST_TEST((k.tun_flags & IFF_VNET_HDR) == 0);
  BOOST_TEST(d->notes().size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_header_size_that_is_refused_is_like_no_header) {
  k.fail("ioctl TUNSETVNETHDRSZ", EINVAL);
  auto d = open();
  BOOST_TEST_REQUIRE(d.has_value());
  BOOST_TEST((k.tun_flags & IFF_VNET_HDR) == 0);
  BOOST_TEST(!d->queue(0).offload());
}

BOOST_AUTO_TEST_CASE(offload_that_is_refused_is_noted_and_off) {
  k.fail("ioctl TUNSETOFFLOAD", EINVAL);
  auto d = open();
  BOOST_TEST_REQUIRE(d.has_value());
  BOOST_TEST(!d->queue(0).offload());
  BOOST_TEST(!d->queue(1).offload());
  BOOST_TEST_REQUIRE(d->notes().size() == 1u);
  BOOST_TEST(d->notes()[0] == "TUN offload is off: ioctl TUNSETOFFLOAD: Invalid argument");
}

BOOST_AUTO_TEST_CASE(unwanted_offload_is_not_asked_for) {
  options.want_offload = false;
  auto d = open();
  BOOST_TEST_REQUIRE(d.has_value());
  BOOST_TEST(!d->queue(0).offload());
  BOOST_TEST(k.calls("ioctl TUNSETOFFLOAD") == 0u);
  BOOST_TEST(d->notes().empty());
}

BOOST_AUTO_TEST_CASE(a_device_made_for_one_queue_serves_one_queue) {
  options.queues = 1;
  k.fail("ioctl TUNSETIFF", EINVAL, 2);
  auto d = open();
  BOOST_TEST_REQUIRE(d.has_value());
  BOOST_TEST((k.tun_flags & IFF_MULTI_QUEUE) == 0);
  BOOST_TEST(d->queue(0).offload());
}

BOOST_AUTO_TEST_CASE(a_device_made_for_one_queue_does_not_serve_two) {
  k.fail("ioctl TUNSETIFF", EINVAL, 10);
  const auto d = open();
  BOOST_TEST_REQUIRE(!d.has_value());
  BOOST_TEST(d.error().number == EINVAL);
}

BOOST_AUTO_TEST_CASE(a_device_that_somebody_has_open_is_not_joined) {
  make_persistent();
  link().carrier = true;
  const auto d = open();
  BOOST_TEST_REQUIRE(!d.has_value());
  BOOST_TEST(d.error().number == EBUSY);
  BOOST_TEST(d.error().detail == "tonel0");
  BOOST_TEST(k.calls("ioctl TUNSETIFF") == 0u);
}

BOOST_AUTO_TEST_CASE(a_name_that_is_too_long_is_refused_before_anything_is_done) {
  options.name = "sixteen-letters!";
  const auto d = open();
  BOOST_TEST_REQUIRE(!d.has_value());
  BOOST_TEST(d.error().number == ENAMETOOLONG);
  BOOST_TEST(k.calls("open /dev/net/tun") == 0u);
}

BOOST_AUTO_TEST_CASE(a_host_without_ipv6_is_a_note) {
  k.fail("netlink RTM_NEWADDR", EACCES, 1, 1);
  const auto d = open();
  BOOST_TEST_REQUIRE(d.has_value());
  BOOST_TEST(!d->ipv6());
  BOOST_TEST_REQUIRE(d->notes().size() == 1u);
  BOOST_TEST(d->notes()[0].find("IPv6 is left out") == 0u);
}

BOOST_AUTO_TEST_CASE(a_host_without_ipv6_is_an_error_where_it_is_required) {
  options.ipv6_required = true;
  k.fail("netlink RTM_NEWADDR", EACCES, 1, 1);
  const auto d = open();
  BOOST_TEST_REQUIRE(!d.has_value());
  BOOST_TEST(d.error().detail == "2001:db8::1");
}

BOOST_AUTO_TEST_CASE(a_persistent_device_keeps_what_it_had_and_loses_what_was_added) {
  make_persistent();
  link().addresses = {{ip("192.0.2.1"), ip("192.0.2.2"), 24}};
  {
    const auto d = open();
    BOOST_TEST_REQUIRE(d.has_value());
    BOOST_TEST(link().addresses.size() == 2u);
  }
  BOOST_TEST_REQUIRE(link().addresses.size() == 1u);
  BOOST_TEST(link().addresses[0].local.to_string() == "192.0.2.1");
  BOOST_TEST(k.open_descriptors() == 0u);
}

BOOST_AUTO_TEST_CASE(a_prepared_device_needs_no_rights) {
  make_persistent();
  auto& l = link();
  l.mtu = 1400;
  l.txqueuelen = 2048;
  l.up = true;
  l.addresses = {{ip("192.0.2.1"), ip("192.0.2.2"), 24},
                 {ip("2001:db8::1"), ip("2001:db8::2"), 64}};
  for (const char* call : {"netlink RTM_NEWLINK", "netlink RTM_NEWADDR", "netlink RTM_DELADDR"})
    k.fail(call, EPERM, 100);
  {
    const auto d = open();
    BOOST_TEST_REQUIRE(d.has_value(), why(d));
    BOOST_TEST(d->ipv6());
  }
  BOOST_TEST(link().addresses.size() == 2u);
}

BOOST_AUTO_TEST_CASE(what_nobody_has_changed_is_left_as_it_is) {
  auto d = open();
  BOOST_TEST_REQUIRE(d.has_value());
  const auto set = k.calls("netlink RTM_NEWLINK"), added = k.calls("netlink RTM_NEWADDR");
  const auto report = d->ensure();
  BOOST_TEST_REQUIRE(report.has_value());
  BOOST_TEST(report->repaired.empty());
  BOOST_TEST(k.calls("netlink RTM_NEWLINK") == set);
  BOOST_TEST(k.calls("netlink RTM_NEWADDR") == added);
}

BOOST_AUTO_TEST_CASE(what_others_do_to_a_device_is_mended) {
  auto d = open();
  BOOST_TEST_REQUIRE(d.has_value());
  link().up = false;
  link().txqueuelen = 0;
  link().addresses.pop_back();
  link().routes.erase(link().routes.begin());
  const auto report = d->ensure();
  BOOST_TEST_REQUIRE(report.has_value());
  BOOST_TEST(report->repaired.size() == 3u); // the route goes with the link
  BOOST_TEST(!report->made_again);
  BOOST_TEST(link().up);
  BOOST_TEST(link().txqueuelen == 2048u);
  BOOST_TEST(link().addresses.size() == 2u);
  BOOST_TEST(link().routes.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_renamed_device_gets_its_name_back_also_where_it_has_to_be_down_for_that) {
  for (const bool renames_up : {true, false}) {
    auto d = open();
    BOOST_TEST_REQUIRE(d.has_value(), why(d));
    k.renames_up = renames_up;
    rename("tonel0", "other0");
    link("other0").mtu = 1300;
    const auto report = d->ensure();
    BOOST_TEST_REQUIRE(report.has_value(), why(report));
    BOOST_TEST_REQUIRE(report->repaired.size() == 2u);
    BOOST_TEST(report->repaired[0] == "it was renamed other0");
    BOOST_TEST(report->repaired[1] == "its MTU was set to 1300");
    BOOST_TEST(link().up);
    BOOST_TEST(link().mtu == 1400u);
    BOOST_TEST(link().addresses.size() == 2u);
    BOOST_TEST(link().routes.size() == 2u);
  }
}

BOOST_AUTO_TEST_CASE(a_device_whose_name_somebody_has_taken_stays_up) {
  auto d = open();
  BOOST_TEST_REQUIRE(d.has_value());
  k.renames_up = false;
  rename("tonel0", "other0");
  link("tonel0").index = 99;
  const auto report = d->ensure();
  BOOST_TEST_REQUIRE(!report.has_value());
  BOOST_TEST(report.error().number == EEXIST);
  BOOST_TEST(link("other0").up);
  BOOST_TEST(link("other0").routes.size() == 2u);
  k.links.erase("tonel0");
  BOOST_TEST(d->ensure().has_value());
  BOOST_TEST(link("tonel0").up);
}

BOOST_AUTO_TEST_CASE(a_rename_that_fails_leaves_the_device_up) {
  auto d = open();
  BOOST_TEST_REQUIRE(d.has_value());
  k.renames_up = false;
  rename("tonel0", "other0");
  k.fail("netlink RTM_NEWLINK", EPERM, 1, 2); // after the first rename, and setting it down
  const auto report = d->ensure();
  BOOST_TEST_REQUIRE(!report.has_value());
  BOOST_TEST(report.error().number == EPERM);
  BOOST_TEST(link("other0").up);
  BOOST_TEST(d->ensure().has_value());
  BOOST_TEST(link("tonel0").addresses.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_device_that_was_deleted_is_made_again_with_all_that_it_had) {
  auto d = open();
  BOOST_TEST_REQUIRE(d.has_value());
  const auto index = d->index();
  k.delete_link("tonel0");
  const auto report = d->ensure();
  BOOST_TEST_REQUIRE(report.has_value(), why(report));
  BOOST_TEST(report->made_again);
  BOOST_TEST_REQUIRE(report->repaired.size() == 1u);
  BOOST_TEST(report->repaired[0] == "it was deleted");
  BOOST_TEST(link().up);
  BOOST_TEST(link().addresses.size() == 2u);
  BOOST_TEST(d->index() != index);
  for (std::size_t i = 0; i < d->queues(); ++i)
    BOOST_TEST(d->queue(i).renew());
  BOOST_TEST(d->ensure()->repaired.empty());
}

BOOST_AUTO_TEST_CASE(what_cannot_be_mended_says_what_had_been_done) {
  auto d = open();
  BOOST_TEST_REQUIRE(d.has_value());
  link().up = false;
  k.fail("netlink RTM_NEWLINK", EPERM);
  const auto report = d->ensure();
  BOOST_TEST_REQUIRE(!report.has_value());
  BOOST_TEST(report.error().to_string() ==
             "netlink RTM_NEWLINK (tonel0: it was set down): Operation not permitted");
  BOOST_TEST(d->ensure().has_value()); // tried again
}

BOOST_AUTO_TEST_CASE(one_repair_that_fails_keeps_none_of_the_others_away) {
  auto d = open();
  BOOST_TEST_REQUIRE(d.has_value());
  link().up = false;
  link().addresses.clear();
  k.fail("netlink RTM_NEWLINK", EPERM);
  BOOST_TEST(!d->ensure().has_value());
  BOOST_TEST(!link().up);
  BOOST_TEST(link().addresses.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_device_of_another_program_cannot_be_made_again) {
  options.fd = k.hand_over("theirs", static_cast<short>(IFF_TUN | IFF_NO_PI));
  auto d = open();
  BOOST_TEST_REQUIRE(d.has_value(), why(d));
  k.delete_link("theirs");
  const auto report = d->ensure();
  BOOST_TEST_REQUIRE(!report.has_value());
  BOOST_TEST(report.error().number == ENODEV);
  BOOST_TEST(k.calls("ioctl TUNSETIFF") == 0u);
}

BOOST_AUTO_TEST_CASE(a_device_that_cannot_be_made_again_now_is_made_later) {
  auto d = open();
  BOOST_TEST_REQUIRE(d.has_value());
  k.delete_link("tonel0");
  k.fail("netlink RTM_NEWADDR", EPERM);
  BOOST_TEST(!d->ensure().has_value());
  BOOST_TEST(k.links.empty()); // nothing is left of the try
  BOOST_TEST(!d->queue(0).renew());
  const auto again = d->ensure();
  BOOST_TEST_REQUIRE(again.has_value(), why(again));
  BOOST_TEST(again->made_again);
  BOOST_TEST(link().addresses.size() == 2u);
}

BOOST_AUTO_TEST_CASE(changes_of_its_own_interface_concern_it) {
  auto d = open();
  BOOST_TEST_REQUIRE(d.has_value());
  netlink_changes changes;
  changes.something = true;
  changes.links = {d->index() + 1};
  BOOST_TEST(!d->concerns(changes));
  changes.links.push_back(d->index());
  BOOST_TEST(d->concerns(changes));
  changes = {};
  changes.lost = true;
  BOOST_TEST(d->concerns(changes));
}

BOOST_AUTO_TEST_CASE(a_device_can_be_moved) {
  auto d = open();
  BOOST_TEST_REQUIRE(d.has_value());
  {
    const tun_device moved = std::move(*d);
    BOOST_TEST(moved.name() == "tonel0");
  }
  BOOST_TEST(k.links.empty());
}

BOOST_AUTO_TEST_SUITE_END()
