#include "actors/operations/device_keeper.hpp"
#include "tests/unit/actors/service_loop.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

using namespace tonel;
using namespace tonel::actors;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

/// The actor, with a host that answers when and what the test says.
struct kept_device : service_loop {
  using answer = std::function<void(sys::result<sys::device_report>)>;

  explicit kept_device(bool kernel_tells = true) {
    root.emplace(*system);
    start.device = "tonel0";
    if (kernel_tells) start.fd = changed.fd();
    start.take = [this] {
      changed.set(false);
      return std::exchange(changes, {});
    };
    start.concerns = [](const sys::netlink_changes& c) {
      return !c.links.empty() && c.links[0] == 7;
    };
    start.ensure = [this](answer done) {
      ++looks;
      waiting = std::move(done);
    };
    actor = loop->spawn(device_keeper, &start, caf::actor_cast<caf::actor>(*root));
    step();
  }
  ~kept_device() {
    waiting = nullptr;
    end();
  }

  void reply(sys::result<sys::device_report> what) {
    BOOST_TEST_REQUIRE(static_cast<bool>(waiting));
    std::exchange(waiting, nullptr)(std::move(what));
    step();
  }
  void fail(int error = EPERM) {
    reply(unexpected{sys::os_error{error, "netlink", "tonel0: it was set down"}});
  }
  void others_change(std::uint32_t link) {
    changes.something = true;
    changes.links = {link};
    changed.set(true);
    step();
  }
  /// The state of the part, as the root was told last.
  std::string state() {
    while ((*root)->has_next_message())
      (*root)->receive([&](const part_status& s) { told = s; });
    return told.state;
  }

  std::optional<caf::scoped_actor> root;
  part_status told;
  sys::readiness changed;
  sys::netlink_changes changes;
  device_keeper_start start;
  std::size_t looks = 0;
  answer waiting;
};

sys::device_report mended(const char* what) {
  sys::device_report out;
  out.repaired = {what};
  return out;
}

/// A tunnel one end of which has a keeper, that makes a deleted device again.
struct deleted_device {
  explicit deleted_device(bool of_client) : client(of_client), w(options()) {}

  world_options options() {
    start.device = "tun";
    start.ensure = [this](const auto& done) {
      sys::device_report report;
      if (w_is_up && tun().gone) {
        tun().made_again = report.made_again = true;
        report.repaired = {"it was deleted"};
      }
      w_is_up = true;
      done(report);
    };
    const auto keeper = [this](reactor& control) {
      return std::vector<service>{{"device", [this, &control](const caf::actor& root) {
                                     return control.spawn(device_keeper, &start, root);
                                   }}};
    };
    world_options o;
    (client ? o.client_services : o.server_services) = keeper;
    return o;
  }
  sys::memory_packet_device& tun() { return *(client ? w.client() : w.server()).tuns[0]; }

  bool client;
  bool w_is_up = false; ///< the first look is at its start
  device_keeper_start start;
  world w;
};

} // namespace

BOOST_AUTO_TEST_SUITE(device_keeper_test)

BOOST_AUTO_TEST_CASE(a_change_of_the_device_is_looked_at_within_a_second_and_said_once) {
  kept_device d;
  const log_tail log;
  d.reply(sys::device_report{});
  BOOST_TEST(d.state() == "ok");
  d.others_change(7);
  d.others_change(7);
  d.pass(500ms);
  BOOST_TEST(d.looks == 2u);
  d.reply(mended("it was set down"));
  BOOST_TEST(log.matching("changed the device tonel0 (it was set down)") == 1u);
  d.others_change(7); // what mending it has made the kernel tell
  d.pass(500ms);
  d.reply(sys::device_report{});
  BOOST_TEST(log.matching("tonel0") == 1u);
  BOOST_TEST(d.state() == "ok");
}

BOOST_AUTO_TEST_CASE(changes_of_other_devices_are_not_looked_at) {
  kept_device d;
  d.reply(sys::device_report{});
  d.others_change(8);
  d.pass(1min);
  BOOST_TEST(d.looks == 1u);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_mended_is_a_failing_part_tried_again_and_said_once) {
  kept_device d;
  const log_tail log;
  d.fail();
  std::size_t looks = 1;
  for (const auto wait : {1s, 2s, 4s}) {
    BOOST_TEST(d.state() == "failing");
    BOOST_TEST(d.told.detail == "netlink (tonel0: it was set down): Operation not permitted");
    d.pass(wait - 100ms);
    BOOST_TEST(d.looks == looks);
    d.pass(150ms);
    BOOST_TEST(d.looks == ++looks);
    d.fail();
  }
  BOOST_TEST(log.matching("cannot keep the device") == 1u);
  d.pass(9s);
  d.reply(sys::device_report{});
  BOOST_TEST(d.state() == "ok");
  BOOST_TEST(log.matching("is as it should be again") == 1u);
}

BOOST_AUTO_TEST_CASE(a_change_during_a_look_makes_another) {
  kept_device d;
  d.others_change(7);
  d.pass(200ms);
  BOOST_TEST(d.looks == 1u);
  d.reply(sys::device_report{});
  BOOST_TEST(d.looks == 2u);
}

BOOST_AUTO_TEST_CASE(where_nobody_tells_of_changes_it_is_looked_at_each_second) {
  kept_device d{false};
  for (std::size_t looks = 1; looks < 5; ++looks) {
    BOOST_TEST(d.looks == looks);
    d.reply(sys::device_report{});
    d.pass(1'050ms);
  }
}

BOOST_AUTO_TEST_CASE(a_program_that_undoes_each_repair_is_met_ever_more_seldom) {
  kept_device h;
  h.reply({});
  const log_tail log;
  const auto repairs_in = [&](protocol::duration time) {
    std::size_t repairs = 0;
    for (const auto until = h.now + time; h.now < until; h.pass(10ms)) {
      if (!h.waiting) continue;
      h.reply(mended("it was set down"));
      h.others_change(7);
      ++repairs;
    }
    return repairs;
  };
  h.others_change(7);
  BOOST_TEST(repairs_in(1s) >= 9u); // at first as soon as ever
  repairs_in(60s);
  BOOST_TEST(repairs_in(60s) <= 3u);
  BOOST_TEST(log.matching("again and again") == 1u);
  // Meanwhile it is a failure.
  while (!h.waiting)
    h.pass(1s);
  h.reply(mended("it was set down"));
  BOOST_TEST(h.state() == "ok");
  h.others_change(7);
  BOOST_TEST(h.state() == "failing");
  // Left in peace for a while, it is mended at once.
  while (!h.waiting)
    h.pass(1s);
  h.reply({});
  h.pass(60s);
  h.others_change(7);
  h.pass(200ms);
  BOOST_TEST(static_cast<bool>(h.waiting));
}

BOOST_AUTO_TEST_CASE(the_queues_are_told_of_a_device_that_was_made_again) {
  kept_device d;
  caf::scoped_actor queue{*d.system};
  caf::anon_send(d.actor, peers_changed{{caf::actor_cast<caf::actor>(queue)}, {}});
  d.reply(sys::device_report{});
  BOOST_TEST(!queue->has_next_message());
  d.others_change(7);
  d.pass(200ms);
  auto report = mended("it was deleted");
  report.made_again = true;
  d.reply(report);
  BOOST_TEST_REQUIRE(queue->has_next_message());
  queue->receive([](device_renewed) {});
  // One that was started again may have missed it.
  caf::anon_send(d.actor, peers_changed{{caf::actor_cast<caf::actor>(queue)}, {}});
  d.step();
  BOOST_TEST(queue->has_next_message());
}

BOOST_AUTO_TEST_CASE(a_device_that_is_deleted_and_made_again_costs_no_session_and_no_stream) {
  for (const bool client : {true, false}) {
    BOOST_TEST_CONTEXT((client ? "client" : "server")) {
      deleted_device d{client};
      d.w.echo(5'001, "before");
      d.tun().vanish();
      d.w.run();
      d.w.client().app_sends(5'001, "lost");
      d.w.run();
      BOOST_TEST(d.w.client().app_got(5'001).size() == 1u);
      d.w.pass(2s);
      BOOST_TEST(!d.tun().gone);
      d.w.echo(5'001, "after");
      BOOST_TEST(d.w.client().count(counter::sessions_opened) == 1u);
      BOOST_TEST(d.w.server().count(counter::sessions_opened) == 1u);
      BOOST_TEST(d.w.server().count(counter::streams_opened) == 1u);
      BOOST_TEST(d.w.server().upstreams.size() == 1u);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_queue_that_is_started_while_the_device_is_gone_takes_the_next_one) {
  deleted_device d{true};
  d.w.echo(5'001, "before");
  d.tun().read_error = EFAULT; // it ends by that
  d.tun().vanish();
  d.w.pass(5s);
  BOOST_TEST(!d.tun().gone);
  d.w.echo(5'001, "after");
}

BOOST_AUTO_TEST_SUITE_END()
