"""Redis: the queue of executions (RQ) and the alarm clock (rq-scheduler), rebuilt from MongoDB if lost."""
