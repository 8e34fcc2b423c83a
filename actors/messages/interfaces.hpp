#pragma once

#include "actors/messages/messages.hpp"
#include "actors/messages/status.hpp"

#include <caf/actor_cast.hpp>
#include <caf/typed_actor.hpp>

namespace tonel::actors {

// Every actor's handle, a line per message that it takes. Behaviours are dynamic (readiness and timers
// reach them too), the handles are typed: what is sent to one is checked by the compiler, and that it
// handles all of it and nothing else (behavior_of).

/// One TUN queue: 4-tuple -> stream; answers what belongs to no stream.
using tun_queue_actor = caf::typed_actor<caf::reacts_to<to_device>,      // write
                                         caf::reacts_to<stream_up>,      // route this tuple
                                         caf::reacts_to<stream_refused>, // RST, forget
                                         caf::reacts_to<peers_changed>,  // the other queues
                                         caf::reacts_to<ports_changed>>; // server: other ports

/// One TCP-looking connection.
using stream_actor = caf::typed_actor<caf::reacts_to<from_device>,              // from the TUN
                                      caf::reacts_to<app_to_wire>,              // to the peer
                                      caf::reacts_to<protocol::packet_too_big>, // from the path
                                      caf::reacts_to<sink_changed>,             // deliver there
                                      caf::reacts_to<close_stream>,             // FIN
                                      caf::reacts_to<reset_stream>,             // RST
                                      caf::reacts_to<supersede_stream>,         // drain, then RST
                                      caf::reacts_to<probe_stream>>;            // after suspend

/// Client: the UDP socket that applications send to; peer -> session.
using udp_listener_actor = caf::typed_actor<caf::reacts_to<wire_to_app>,      // to an application
                                            caf::reacts_to<session_changed>,  // it exists, or ended
                                            caf::reacts_to<streams_changed>>; // where to send

/// Server: the UDP socket of one session.
using udp_endpoint_actor = caf::typed_actor<caf::reacts_to<wire_to_app>,     // to the upstream
                                            caf::reacts_to<streams_changed>, // where replies go
                                            caf::reacts_to<close_session>>;  // no more come

/// Where a stream's datagrams go: a listener or an endpoint.
using sink_actor = caf::typed_actor<caf::reacts_to<wire_to_app>>;

/// One UDP peer and its streams; outlives each of them.
using session_actor = caf::typed_actor<caf::reacts_to<protocol::stream_report>, // from its streams
                                       caf::reacts_to<probe_stream>,            // after suspend
                                       caf::reacts_to<ask_status>,              // session_status
                                       caf::reacts_to<close_session>>;          // FIN, then end
using client_session_actor =
    session_actor::extend<caf::reacts_to<stream_wanted>,    // data wait
                          caf::reacts_to<remote_resolved>>; // new streams go there
using server_session_actor = session_actor::extend<caf::reacts_to<adopt_stream>>; // a new stream

/// All of one shard.
using shard_supervisor_actor =
    caf::typed_actor<caf::reacts_to<adopt_stream>,     // server: to its session
                     caf::reacts_to<open_session>,     // client: make one
                     caf::reacts_to<peers_changed>,    // all shards
                     caf::reacts_to<remote_resolved>,  // the remote's address
                     caf::reacts_to<tunnels_changed>,  // after a reload
                     caf::reacts_to<probe_stream>,     // after suspend
                     caf::reacts_to<ask_status>,       // shard_status
                     caf::reacts_to<close_one>,        // session_closed
                     caf::reacts_to<session_closing>,  // its place is another's
                     caf::reacts_to<displace_session>, // client: close it
                     caf::reacts_to<stop_shard>>;      // wind down

/// The rules and sysctls of this process on the host.
using firewall_actor =
    caf::typed_actor<caf::reacts_to<ensure_rules>,                    // rules_status
                     caf::replies_to<get_rules>::with<rules_status>>; // for status

/// One on each shard's loop: shows that it goes round.
using pulse_actor = caf::typed_actor<caf::reacts_to<feel_pulse>>; // answer

/// Feeds the service manager's watchdog while all loops go round.
using watchdog_actor = caf::typed_actor<caf::reacts_to<pulse_felt>>; // one of them does

/// All of the process.
using root_supervisor_actor = caf::typed_actor<caf::reacts_to<child_up>,        // a shard's queue
                                               caf::reacts_to<probe_stream>,    // after suspend
                                               caf::reacts_to<remote_resolved>, // from the resolver
                                               caf::reacts_to<part_status>,     // how a part is
                                               caf::reacts_to<ask_reload>>;     // as at SIGHUP

/// Who asks about the state of the process: http, and control.
using status_actor = caf::typed_actor<caf::reacts_to<peers_changed>,       // the shards
                                      caf::reacts_to<shard_status>,        // an answer
                                      caf::reacts_to<host_answer>,         // an answer
                                      caf::reacts_to<part_status>>;        // how a part is
using control_actor = status_actor::extend<caf::reacts_to<session_status>, // an answer
                                           caf::reacts_to<session_closed>, // an answer
                                           caf::reacts_to<reload_done>,    // an answer
                                           caf::reacts_to<capture_done>>;  // an answer

/// The typed handle of a dynamic one.
template <class Handle, class From> Handle as(const From& handle) {
  return caf::actor_cast<Handle>(handle);
}

} // namespace tonel::actors
