"""Janitors: each has one duty, a name, and a bounded batch. They repair what a crash, an outage or a person broke.

requeue   executions that are enqueued in MongoDB but have no message that lives
rescue    executions of nodes that have been silent for too long: lost, and tried again where the job allows
owed      attempts that an ended execution owes, and that were not made
follow_up executions that wait for other jobs, which may have ended
unsent    deliveries that an execution owes, and that were not made
due       scheduled executions whose alarm was lost
prune     executions, and output of executions, that were kept for long enough
presence  what each node is to the farm, where that has changed
limits    executions that are counted under a limit and do not run: freed
count     ended executions: added to the totals of the farm
prune_files  uploaded files that nobody used for long enough, and uploads that were broken off
resume    executions that this node holds but does not run (run by the node's worker)
reap      containers of this farm whose execution is over (run by the node's worker)
"""
