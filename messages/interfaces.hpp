// Every typed actor interface of podium. Worlds (real, simulated, faulty) are swapped by handing over another
// handle.
#pragma once
#include "messages/lifecycle.hpp"
#include "messages/object.hpp"
#include "messages/runtime.hpp"

#include <caf/all.hpp>

namespace podium {

// -- ports: the outside world
// ----------------------------------------------------------------------------------------

/// Durable rows with a revision. Implemented by SQLite, memory.
using store_actor = caf::typed_actor<caf::replies_to<store_commit>::with<ack>,
                                     caf::replies_to<store_range>::with<store_rows>>;

/// Sandboxes and containers of one node. Implemented by OCI (crun + conmon) and by simulation. Every request
/// is idempotent and fenced by (pod uid, container, attempt): an older attempt gets errc::stale.
using container_runtime_actor = caf::typed_actor<
    caf::replies_to<create_sandbox>::with<sandbox_info>, caf::replies_to<wait_sandbox>::with<sandbox_end>,
    caf::replies_to<remove_sandbox>::with<ack>, caf::replies_to<create_container>::with<container_created>,
    caf::replies_to<start_container>::with<container_started>,
    caf::replies_to<wait_container>::with<container_exit>, caf::replies_to<signal_container>::with<ack>,
    caf::replies_to<remove_container>::with<ack>, caf::replies_to<exec_sync>::with<exec_result>,
    caf::replies_to<list_runtime>::with<runtime_records>,
    caf::replies_to<get_machine_facts>::with<machine_facts>>;

/// Images of one node: fetch, unpack, look up, remove.
using image_service_actor = caf::typed_actor<
    caf::replies_to<inspect_image>::with<image_info>, caf::replies_to<pull_image>::with<image_info>,
    caf::replies_to<get_pull_progress>::with<pull_progress>, caf::replies_to<list_images>::with<image_list>,
    caf::replies_to<remove_image>::with<ack>, caf::replies_to<get_image_disk>::with<image_disk>>;

/// Volumes of one node's pods, and directories of persistent volumes.
using volume_manager_actor = caf::typed_actor<caf::replies_to<set_volumes>::with<volumes_set>,
                                              caf::replies_to<remove_volumes>::with<ack>,
                                              caf::replies_to<get_volume_usage>::with<volume_usage>,
                                              caf::replies_to<make_volume_directory>::with<volume_directory>>;

/// Signs service account tokens.
using token_issuer_actor = caf::typed_actor<caf::replies_to<request_token>::with<issued_token>>;

/// Runs probes: exec in the container, HTTP and TCP from the node.
using probe_executor_actor = caf::typed_actor<caf::replies_to<run_probe>::with<probe_outcome>>;

// -- the cluster
// ------------------------------------------------------------------------------------------------------

/// Objects, resourceVersions, watch history: the one writer.
using registry_actor = caf::typed_actor<
    caf::replies_to<create_object>::with<object_ref>, caf::replies_to<update_object>::with<object_ref>,
    caf::replies_to<put_status>::with<object_ref>, caf::replies_to<bind_pod>::with<object_ref>,
    caf::replies_to<delete_object>::with<delete_result>, caf::replies_to<list_objects>::with<object_list>,
    caf::replies_to<watch_next>::with<watch_batch>>;

/// Counts, aggregates and limits events, and writes them to the registry.
using event_recorder_actor = caf::typed_actor<caf::reacts_to<record_event>>;

/// Places pods on nodes; it acts on what it sees of the registry, nobody asks it anything but how it is.
struct get_scheduler_stats {};
BOOST_DESCRIBE_STRUCT(get_scheduler_stats, (), ())
struct scheduler_stats {
  uint64_t bound = 0, unschedulable = 0, queued = 0;
};
BOOST_DESCRIBE_STRUCT(scheduler_stats, (), (bound, unschedulable, queued))
using scheduler_actor = caf::typed_actor<caf::replies_to<get_scheduler_stats>::with<scheduler_stats>>;

struct get_node_stats {};
BOOST_DESCRIBE_STRUCT(get_node_stats, (), ())
struct node_stats {
  uint64_t pods = 0;
};
BOOST_DESCRIBE_STRUCT(node_stats, (), (pods))

/// Answered when nothing is left on the node of pods that the registry no longer has: no container, sandbox,
/// record or log. Error errc::unavailable: the node ends.
struct await_removals {};
BOOST_DESCRIBE_STRUCT(await_removals, (), ())

// -- one node
// ---------------------------------------------------------------------------------------------------------

/// One pull per image at a time, by policy.
using image_puller_actor =
    caf::typed_actor<caf::replies_to<ensure_image>::with<image_info>, caf::reacts_to<forget_images>>;

/// Looks at once whether the images' disk is too full, and not only when the period is over.
struct collect_images {};
BOOST_DESCRIBE_STRUCT(collect_images, (), ())
/// Removes images that nothing uses when their disk is too full.
using image_collector_actor = caf::typed_actor<caf::reacts_to<collect_images>>;

/// Owns the node object, its lease and its pods.
/// Images are asked of the node, which hands the question on: a puller that died is replaced behind it. So
/// is what a pod wants to follow.
using node_actor =
    caf::typed_actor<caf::reacts_to<pod_report>, caf::reacts_to<follow_objects>,
                     caf::reacts_to<collect_images>, caf::replies_to<ensure_image>::with<image_info>,
                     caf::reacts_to<forget_images>, caf::replies_to<get_node_stats>::with<node_stats>,
                     caf::replies_to<await_removals>::with<ack>>;

/// One pod: sync, terminating, terminated.
using pod_actor = caf::typed_actor<caf::reacts_to<pod_update>, caf::reacts_to<container_report>,
                                   caf::reacts_to<memory_ref<pod_inputs>>>;

/// Follows the objects that a node's pods refer to, by list and watch, and tells each pod of its own.
using object_follower_actor = caf::typed_actor<caf::reacts_to<follow_objects>>;

/// One container: start, restart by policy with back-off, hooks, kill.
using container_actor = caf::typed_actor<caf::reacts_to<container_goal>, caf::reacts_to<probe_report>>;

/// One probe of one container.
using probe_actor = caf::typed_actor<caf::reacts_to<probe_target>>;

} // namespace podium
