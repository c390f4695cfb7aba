"""Jobs and executions keep the address from which they were asked for."""

from __future__ import annotations

from jobrunner.domain.specs import JobSpec
from jobrunner.engine.fire import fire
from jobrunner.engine.rerun import rerun
from jobrunner.engine.run import run_execution
from jobrunner.engine.submit import resubmit, submit
from tests.support.engine_world import IMAGE, TASK, World


def test_what_follows_from_a_job_keeps_the_address_from_which_it_came(world: World) -> None:
    spec = JobSpec(image=IMAGE, command=("fail",), cron="* * * * *", retries=1)
    tick = submit(world.farm(), TASK, spec, caller_address="192.0.2.1").execution
    world.clock.move(61)
    fire(world.farm(), tick.id)
    run_execution(world.node(), tick.id)
    made = world.attempts(tick)
    assert len(made) == 3  # the tick, its second attempt, and the next tick
    assert {execution.caller_address for execution in made} == {"192.0.2.1"}


def test_a_new_definition_and_a_run_by_hand_have_addresses_of_their_own(world: World) -> None:
    spec = JobSpec(image=IMAGE, command=("speak",))
    job = submit(world.farm(), TASK, spec, caller_address="192.0.2.1").job
    again = resubmit(world.farm(), TASK, job.id, spec, caller_address="192.0.2.2")
    by_hand = rerun(world.farm(), again.job, "192.0.2.3")
    stored = world.store.jobs.get(job.id)
    assert stored is not None
    assert (stored.caller_address, again.execution.caller_address) == ("192.0.2.2", "192.0.2.2")
    assert by_hand.execution.caller_address == "192.0.2.3"
