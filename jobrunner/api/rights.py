"""Which role each route asks for, and what the audit trail calls what it does: one table to read.

A route that is not in it is an admin's, and fails a test until somebody has decided.
"""

from __future__ import annotations

from dataclasses import dataclass

from jobrunner.domain.api_keys import Role


@dataclass(frozen=True)
class Right:
    """The role that a route asks for (None: it asks for no key); `action`: what it changes, where it changes something.

    `in_outages`: it tells of an outage of MongoDB. So during one it lets in whoever was let in before.

    What is about the whole farm, and not about tasks, is for admins: their keys alone are never held to some tasks.
    """

    role: Role | None
    action: str = ""
    in_outages: bool = False


READ = Right(Role.READ)
UNLISTED = Right(Role.ADMIN, "unlisted")

RIGHTS: dict[str, Right] = {
    "health.healthcheck": Right(None),
    "openapi.show_openapi": READ,
    "openapi.show_page": READ,
    "metrics.show_metrics": Right(Role.READ, in_outages=True),
    # reading
    "native.list_tasks": READ,
    "native.search_tasks": READ,
    "native.show_task": READ,
    "native.show_job": READ,
    "native.list_executions": READ,
    "native.list_executions_of_job": READ,
    "native.find_execution": READ,
    "native.show_execution": READ,
    "native.show_stream": READ,
    "native.show_stream_of_job": READ,
    "native.show_logs": READ,
    "native.show_logs_of_job": READ,
    "native.list_deliveries": READ,
    "native.list_jobs": READ,
    "native.search_output": READ,
    "native.search_output_of_job": READ,
    "native.show_events": READ,
    "native.follow_by_web_socket": READ,
    "native.follow_job_by_web_socket": READ,
    "native.follow_by_events": READ,
    "native.follow_job_by_events": READ,
    "native.show_page": READ,
    "native.show_page_of_job": READ,
    "native.list_templates": READ,
    "native.show_template": READ,
    "native.show_status": READ,
    "native.list_nodes": READ,
    "native.list_files": READ,
    "native.show_file": READ,
    "native.list_outputs": READ,
    "native.show_output": READ,
    "native.show_archive": READ,
    # running
    "native.enqueue_job": Right(Role.SUBMIT, "job.submit"),
    "native.enqueue_jobs": Right(Role.SUBMIT, "job.submit_all"),
    "native.start_template": Right(Role.SUBMIT, "template.start"),
    "native.enqueue_or_update_job": Right(Role.SUBMIT, "job.replace"),
    "native.rerun_job": Right(Role.SUBMIT, "job.retry"),
    "native.stop_job": Right(Role.SUBMIT, "job.stop"),
    "native.pause_job": Right(Role.SUBMIT, "job.pause"),
    "native.resume_job": Right(Role.SUBMIT, "job.resume"),
    "native.stop_execution": Right(Role.SUBMIT, "execution.stop"),
    "native.redeliver_now": Right(Role.SUBMIT, "delivery.redeliver"),
    "native.upload_file": Right(Role.SUBMIT, "file.upload"),
    "native.upload_file_as": Right(Role.SUBMIT, "file.upload"),
    "native.delete_file": Right(Role.SUBMIT, "file.delete"),
    # administering
    "native.put_template": Right(Role.ADMIN, "template.replace"),
    "native.delete_template": Right(Role.ADMIN, "template.delete"),
    "native.drain_node": Right(Role.ADMIN, "node.drain"),
    "native.undrain_node": Right(Role.ADMIN, "node.undrain"),
    "native.blacklist_host": Right(Role.ADMIN, "node.blacklist"),
    "native.readmit_host": Right(Role.ADMIN, "node.readmit"),
    "native.create_api_key": Right(Role.ADMIN, "key.create"),
    "native.list_api_keys": Right(Role.ADMIN),
    "native.show_api_key": Right(Role.ADMIN),
    "native.revoke_api_key": Right(Role.ADMIN, "key.revoke"),
    "native.revoke_api_key_by_post": Right(Role.ADMIN, "key.revoke"),
    "native.list_audit": Right(Role.ADMIN),
}


def right_of(endpoint: str) -> Right:
    """What this endpoint asks for."""
    return RIGHTS.get(endpoint, UNLISTED)
