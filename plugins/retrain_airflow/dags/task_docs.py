"""What each DAG and task means, and what to do when a task is red: the texts that Airflow shows under *Docs*."""

SENSE = """
Looks once whether enough new labelled rows are in the source; its log says how many are missing, or which of the
spec's thresholds lets the cycle go on: `rows`, or `min_rows` after `max_wait`.

**Slow**: a warning in the log says which index the table lacks.

**Skipped**: not enough yet. The next run looks again; *ignore the threshold* in the trigger form goes on regardless.

**Red**: the source or Retrain's own database does not answer, or the spec names a column that is not there. The last
line of the log says which. Nothing was started.
"""

SNAPSHOT = """
Reads every labelled row and stores it as Parquet, with the side (train, validation, holdout) of each row.

**Skipped**: fewer rows are new than the sensor thought; rows of the last snapshot were labelled again, for example.

**Red**: the source does not answer, a key occurs twice, or the place for snapshots is full or not writable. Put that
right and clear the task: a snapshot that was stored in part is not used.
"""

CHECK = """
Holds the snapshot to the checks of the spec, beside the last one that counted as used, and measures how far the rows
have drifted from those that Production was trained on. A check that fails and only warns is in the log, and a tag on
the cycle's run in MLflow, as is each that passes.

**Red with "the data is blocked"**: a check failed that blocks. The team was told which, how many rows, and some of
their keys; of the same rows it is told once. Nothing was trained, and no row counts as used. Put the source right and
trigger the DAG again. Where the data is as it should be, let that check's `on_fail` be `warn` in the spec and clear the
task; set it back when the cycle is done.

**Red otherwise**: MLflow, the place for snapshots or Retrain's own database does not answer. Clear the task.
"""

TRAIN = """
Fits one candidate on the training rows and scores it on the validation rows. One run in MLflow, below the cycle's run.

**Skipped**: this candidate was not ticked in the trigger form.

**Red**: the candidate's function or the fit failed (the log has scikit-learn's message), or MLflow does not answer.
Clear the task: it takes up the same run in MLflow and makes no second one.
"""

EVALUATE = """
Fits the best candidate on training and validation rows, registers it as a version, and judges that version against
Production on the holdout, which neither has seen. The verdict is PROMOTE, HOLD or INCONCLUSIVE; its reason is in the
log, and as a tag on the run in MLflow.

**Red with "another cycle used rows"**: this run was behind another one. Trigger the DAG again.

**Red otherwise**: MLflow or Retrain's own database does not answer. Clear the task: a verdict is written once, and
until it is written no row counts as used.
"""

PROMOTE = """
Puts the judged version into Production: one row in the ledger, then the alias, then the stage.

Started with *force*, it does so whatever the verdict said, if the version reaches the floor; the ledger then has the
reason and the name.

**Red with "Production is version …"**: somebody changed Production after the verdict. Nothing was overwritten; the next
cycle judges against what is there now.

**Red otherwise**: MLflow does not answer. The promotion is decided, and whoever comes next carries it out: clear the
task, or wait for the next cycle.
"""

ASK = """
Waits for a person: under *Required actions*, beside the numbers of the verdict, `Promote` puts the judged version into
Production and `Hold` leaves it as it is. Without an answer in the time that the spec gives (`approval.wait`), it is
`Hold`.

**Red**: Retrain's own database did not answer, so that the team could not be told. Clear the task: it asks again.
"""

ANSWER = """
Tells the team what was answered, and goes on. Where Production has changed while the verdict waited, it is not applied:
task `again` starts a run that judges against what is there now.

**Red**: MLflow or Retrain's own database does not answer. Clear the task: the answer is kept.
"""

AGAIN = """
Starts a new run of this DAG, however few rows are new: the verdict had grown stale while it waited for an approval.
"""

HOLD = """
Production stays as it is: the challenger was not better beyond chance, the verdict was INCONCLUSIVE, this was a dry
run, or the spec's mode is `observe`.
"""

NOTIFY = """
Sends the model's announcements, oldest first, to the channels in the spec. A channel that does not take one delays only
itself: DAG `retrain-outbox` sends again, and the log says what was refused and when it is tried next.

**Red**: Retrain's own database does not answer. Clear the task, or leave it to `retrain-outbox`.
"""

OUTBOX = """
Announcements that a channel has not taken are sent there again: after 30 s, then after pauses that double up to an
hour, or as long as the channel asks for. After a day one is given up, and the other channels are told.

It looks every minute and mostly finds nothing. Paused, nothing is sent again until the model's next cycle.
"""

OUTBOX_SEND = """
The log says which channel refused what, and when it is tried next. A channel that is down does not make it red.

**Red**: Retrain's own database does not answer. The next run looks again.
"""

FREEZE = """
Writes down until when nothing goes forward into Production, why, and who says so. The team is told.

**Red**: Retrain's own database does not answer. Clear the task: the days count from when the run was started.
"""

FREEZE_DAG = """
Until a freeze ends, verdicts promote nothing, and say so; neither does a person, by force or through the API. A
rollback works as always. *Trigger* asks of which model, for how many days, and why; 0 days end it.
"""

ROLLBACK = """
Puts the version before, or the one that was named, back into Production: it must load and score rows in a fresh process
first. One row in the ledger, with the reason and the name of who started the run.

**Red with "choose from"**: the message lists the versions that can go back. Nothing was changed.

**Red with "look again"**: somebody was faster. Look at what is there now before trying again.

**Red otherwise**: MLflow or Retrain's own database does not answer. Clear the task: it takes back nothing more.
"""

ROLLBACK_DAG = """
Puts the version of `{model}` that was in Production before back there. *Trigger* asks why, and for which version.

What was rolled back is not promoted again unless it wins anew on later rows.
"""

WATCH_DAG = """
Looks every ten minutes for what no cycle of `{model}` would notice, and tells the team when it begins and when it is
over. `watch` in the spec says what is silent and what is late.
"""

WATCH = """
**Green** means that it could look. What it found is in its log and in the team's channels: no labelled row for as long
as `watch.silence` says; rows enough for a cycle for as long as `watch.late` says, and no verdict; Production changed by
hand; the files of Production gone.

**Red**: the source, MLflow or Retrain's own database does not answer. The next run looks again; nothing was changed.
"""

REFUSED_DAG = """
These specs make no DAG:

{faults}

Correct the file. This DAG disappears when Airflow has read the specs again, and the model's own DAG appears.
"""

REFUSED = """
**Red** means that a spec makes no DAG; the last lines of the log, and the DAG's *Docs*, say which and why. The other
specs go on. Clearing the task changes nothing: correct the file.
"""

CYCLE = """
{description}

**sense → snapshot → check → train → evaluate → promote or hold → notify**

New labelled rows in `{source}` start a cycle when there are {threshold} of them. The best of {candidates} replaces
Production where it is better in {metric} beyond chance on rows that neither has seen.

A red task is explained beside it, under *Docs*. A task can be cleared at any time: no step does anything twice.
"""
