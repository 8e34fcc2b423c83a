#pragma once

#include "actors/messages/messages.hpp"
#include "actors/messages/status.hpp"

#include <caf/actor_cast.hpp>
#include <caf/typed_actor.hpp>

namespace tonel::actors {

// The handle of every actor, with a line for each message that it handles. Behaviours are dynamic,
// since they also get events of readiness and timers, but handles are typed: the compiler checks
// what is sent to an actor, and that it handles these messages and no others (behavior_of).

/// One TUN queue: routes segments from 4-tuple to stream; answers segments of no stream.
using tun_queue_actor =
    caf::typed_actor<caf::reacts_to<to_device>,       // write
                     caf::reacts_to<stream_up>,       // route this tuple
                     caf::reacts_to<stream_refused>,  // RST, forget
                     caf::reacts_to<peers_changed>,   // the queues of all shards
                     caf::reacts_to<ports_changed>,   // server: other served ports
                     caf::reacts_to<device_renewed>>; // take another descriptor

/// One stream.
using stream_actor = caf::typed_actor<caf::reacts_to<from_device>,                  // from the TUN
                                      caf::reacts_to<app_to_wire>,                  // to the peer
                                      caf::reacts_to<protocol::packet_too_big>,     // from the path
                                      caf::reacts_to<protocol::packet_undelivered>, // from the path
                                      caf::reacts_to<sink_changed>,                 // deliver there
                                      caf::reacts_to<queue_changed>,                // write there
                                      caf::reacts_to<close_stream>,                 // FIN
                                      caf::reacts_to<reset_stream>,                 // RST
                                      caf::reacts_to<supersede_stream>, // drain, then RST
                                      caf::reacts_to<probe_stream>>;    // after suspend

/// Client: the UDP socket that applications send to; routes from application to session.
using udp_listener_actor =
    caf::typed_actor<caf::reacts_to<wire_to_app>,      // to an application
                     caf::reacts_to<session_changed>,  // a session exists, or ended
                     caf::reacts_to<streams_changed>>; // streams to send to

/// Server: the UDP sockets of one session.
using udp_endpoint_actor =
    caf::typed_actor<caf::reacts_to<wire_to_app>,     // to the upstream
                     caf::reacts_to<streams_changed>, // streams to send replies to
                     caf::reacts_to<close_session>>;  // stop serving

/// The receiver of a stream's datagrams: a listener or an endpoint.
using sink_actor = caf::typed_actor<caf::reacts_to<wire_to_app>>;

/// One session; outlives its streams.
using session_actor = caf::typed_actor<caf::reacts_to<protocol::stream_report>, // from its streams
                                       caf::reacts_to<probe_stream>,            // after suspend
                                       caf::reacts_to<queue_changed>,           // for its streams
                                       caf::reacts_to<ask_status>,              // session_status
                                       caf::reacts_to<close_session>>;          // FIN, then end
using client_session_actor =
    session_actor::extend<caf::reacts_to<stream_wanted>,     // datagrams wait
                          caf::reacts_to<remote_resolved>,   // addresses for streams
                          caf::reacts_to<remote_answers>,    // try at once
                          caf::reacts_to<ways_changed>,      // addresses for streams
                          caf::reacts_to<listener_changed>>; // serve the application there
using server_session_actor =
    session_actor::extend<caf::reacts_to<adopt_stream>,    // a stream that belongs to it
                          caf::reacts_to<remote_resolved>, // addresses of the upstream
                          caf::reacts_to<upstream_tried>>; // from its sockets

/// The supervisor of one shard.
using shard_supervisor_actor =
    caf::typed_actor<caf::reacts_to<adopt_stream>,     // server: pass it to its session
                     caf::reacts_to<open_session>,     // client: make a session
                     caf::reacts_to<peers_changed>,    // all shards
                     caf::reacts_to<remote_resolved>,  // the remote's addresses
                     caf::reacts_to<remote_tried>,     // to the root
                     caf::reacts_to<remote_answers>,   // sessions may try
                     caf::reacts_to<ways_changed>,     // to the sessions
                     caf::reacts_to<tunnels_changed>,  // after a reload
                     caf::reacts_to<probe_stream>,     // after suspend
                     caf::reacts_to<ask_status>,       // shard_status
                     caf::reacts_to<close_one>,        // session_closed
                     caf::reacts_to<session_closing>,  // gives up its place
                     caf::reacts_to<displace_session>, // client: close this session
                     caf::reacts_to<stop_shard>>;      // end

/// The rules and sysctls of this process on the host.
using firewall_actor =
    caf::typed_actor<caf::reacts_to<ensure_rules>,                    // rules_status
                     caf::replies_to<get_rules>::with<rules_status>>; // for status

/// Keeps the TUN device on the host.
using device_keeper_actor = caf::typed_actor<caf::reacts_to<peers_changed>, // the queues
                                             caf::reacts_to<part_status>>;  // ignored

/// An actor on each loop, whose answer shows that the loop runs.
using pulse_actor = caf::typed_actor<caf::reacts_to<feel_pulse>>; // answered by pulse_felt

/// Feeds the service manager's watchdog as long as all loops run.
using watchdog_actor = caf::typed_actor<caf::reacts_to<pulse_felt>>; // a loop runs

/// The supervisor of the process.
using root_supervisor_actor = caf::typed_actor<caf::reacts_to<child_up>,        // a shard's queue
                                               caf::reacts_to<probe_stream>,    // after suspend
                                               caf::reacts_to<remote_resolved>, // from the resolver
                                               caf::reacts_to<remote_tried>,    // from a session
                                               caf::reacts_to<part_status>,     // state of a part
                                               caf::reacts_to<ask_reload>>;     // as at SIGHUP

/// The actors that tell the state of the process: http and control.
using status_actor = caf::typed_actor<caf::reacts_to<peers_changed>,       // the shards
                                      caf::reacts_to<shard_status>,        // an answer
                                      caf::reacts_to<host_answer>,         // an answer
                                      caf::reacts_to<part_status>>;        // state of a part
using control_actor = status_actor::extend<caf::reacts_to<session_status>, // an answer
                                           caf::reacts_to<session_closed>, // an answer
                                           caf::reacts_to<reload_done>,    // an answer
                                           caf::reacts_to<capture_done>>;  // an answer

/// The typed handle of an actor with a dynamic handle.
template <class Handle, class From> Handle as(const From& handle) {
  return caf::actor_cast<Handle>(handle);
}

} // namespace tonel::actors
