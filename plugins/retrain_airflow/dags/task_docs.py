"""What each DAG and task means, and what to do when a task is red: the texts that Airflow shows under *Docs*."""

SENSE = """
Looks once whether enough new labelled rows are in the source; its log says how many are missing, or which of the
spec's thresholds lets the cycle go on: `rows`, or `min_rows` after `max_wait`.

**Slow**: a warning in the log names the index that the table lacks.

**Skipped**: not enough yet. The next run looks again; *ignore the threshold* in the trigger form goes on regardless.

**Red with "no version owns alias"** or **"the ledger knows"**: what looks like Production in MLflow is not Retrain's.
The message, which the team has as well, names the version and what to do. Nothing was started, and no row counts as
used.

**Red otherwise**: the source, MLflow or Retrain's own database does not answer, or the spec names a column that is not
there. The last line of the log says which of these it is. Nothing was started.
"""

SNAPSHOT = """
Reads every labelled row and stores it as Parquet, with the subset (train, validation, holdout) of each row.

**Skipped**: fewer rows are new than the sensor counted; for example, rows of the last snapshot were labelled again.

**Red**: the source does not answer, a key occurs twice, or the place for snapshots is full or not writable. Correct
that and clear the task: a snapshot that was stored in part is not used.
"""

CHECK = """
Runs the checks of the spec on the snapshot, compares it with the last one that counted as used, and measures how far
the rows have drifted from those that Production was trained on. The result of each check, also of one that fails and
only warns, is in the log and a tag on the cycle's run in MLflow.

**Red with "the data is blocked"**: a check failed that blocks. The team was told which one, how many rows, and some of
their keys, once for the same rows. Nothing was trained, and no row counts as used. Correct the source and trigger the
DAG again. If the data is right, set that check's `on_fail` to `warn` in the spec and clear the task; set it back when
the cycle has ended.

**Red otherwise**: MLflow, the place for snapshots or Retrain's own database does not answer. Clear the task.
"""

SEARCH = """
Opens a study in Retrain's database for each candidate that has a `search`, and says how many trials each may make.
Production's parameters and those that the last cycle has found are tried first; the log names them. What all trials
begin with, such as a vectorizer, is fitted once, for each fold.

**Red with "the studies"**: Optuna's tables are missing, or the database does not answer. The message says what to run.
"""

TRIAL = """
Asks the study for parameters, fits the candidate with them in a process of its own, and tells the study the score on
validation rows, or the mean over folds. Each trial is a run in MLflow below the candidate's; one that its pruner ended
has status KILLED. The study ends at `trials`, `time` or `stop_after`: a task after that does nothing.

A trial that cannot be fitted is a run that has failed, and the study goes on. **Red**: MLflow or the database does not
answer, or the process was ended from outside. Tried again, or cleared, the task goes on with the same parameters, and
no trial is made twice.
"""

CHOOSE = """
Ends the studies and keeps the best `keep` trials of each: from here on they are candidates like the others, with
Production's own parameters beside them where these are others. The candidate's run in MLflow has all trials, and a
picture of them. The holdout has not been touched: however many trials there were, the gate judges once.

**Red with "has a score"**: all trials failed; their runs say why.
"""

PREPARE = """
Fits once what several candidates begin with, such as a vectorizer, where that takes longer than a second; they read
what it gave from the place for snapshots. The models are the same with and without it, and `share_steps: false` in the
spec leaves this task out. Where nothing can be shared, its log says why, and each candidate fits its own.

**Red**: the place for snapshots or Retrain's own database does not answer. Clear the task.
"""

TRAIN = """
Fits one candidate on the training rows and scores it on the validation rows, as one run in MLflow below the cycle's
run.

There is one for each candidate that was ticked in the trigger form.

It is fitted in a process of its own, within the spec's `limits`.

**Red**: the candidate's function or the fit failed, or it passed one of its limits: the log says why, and so does the
tag `retrain.error` of its run. The other candidates are judged without it. Clear the task to try again: it continues
the same run in MLflow and makes no second one. **Red otherwise**: MLflow does not answer.
"""

EVALUATE = """
Fits the best candidate on training and validation rows, registers it as a version, and judges that version against
Production on the holdout, which neither has seen. The verdict is PROMOTE, HOLD or INCONCLUSIVE; its reason is in the
log and a tag on the run in MLflow.

**Red with "another cycle used rows"**: another run was faster than this one. Trigger the DAG again.

**Red otherwise**: MLflow or Retrain's own database does not answer. Clear the task: a verdict is written once, and
until it is written no row counts as used.
"""

PROMOTE = """
Puts the judged version into Production: one row in the ledger, then the alias, then the stage.

With *force*, it does so whatever the verdict says, if the version reaches the floor; the ledger then has the reason and
the user's name.

**Red with "Production is version …"**: somebody changed Production after the verdict. Nothing was overwritten; the next
cycle judges against what is there now.

**Red otherwise**: MLflow does not answer. The promotion is decided, and the next task that changes Production carries
it out: clear this task, or wait for the next cycle.
"""

ASK = """
Waits for a person: under *Required actions*, beside the numbers of the verdict, `Promote` puts the judged version into
Production and `Hold` leaves it as it is. Without an answer in the time that the spec sets (`approval.wait`), the answer
is `Hold`.

**Red**: Retrain's own database did not answer, so that the team could not be told. Clear the task: it asks again.
"""

ANSWER = """
Announces the answer to the team, and goes on. Where Production has changed while the verdict waited, the verdict is not
applied: task `again` starts a run that judges against what is there now.

**Red**: MLflow or Retrain's own database does not answer. Clear the task: the answer is kept.
"""

AGAIN = """
Starts a new run of this DAG, however few rows are new: the verdict became stale while it waited for an approval.
"""

HOLD = """
Production stays as it is: the challenger was not better beyond chance, the verdict was INCONCLUSIVE, this was a dry
run, or the spec's mode is `observe`.
"""

NOTIFY = """
Sends the model's announcements, oldest first, to the channels in the spec. A channel that does not accept one delays
only itself: DAG `retrain-outbox` sends again, and the log says what was refused and when it is tried next.

**Red**: Retrain's own database does not answer. Clear the task, or leave it to `retrain-outbox`.
"""

OUTBOX = """
Sends announcements again that a channel has not accepted: after 30 s, then after pauses that double up to an hour, or
as long as the channel asks for. After a day it gives an announcement up, and tells the other channels.

A message is first sent by the task that has made it. This DAG runs when one is due again, which the triggerer sees, or
when nobody has sent it, as after a promotion over HTTP; and every hour, for where the triggerer is missing. While it is
paused, nothing is sent again until the model's next cycle.
"""

OUTBOX_SEND = """
The log says which channel refused what, and when it is tried next. A channel that is down does not turn it red.

**Red**: Retrain's own database does not answer. The next run looks again.
"""

FREEZE = """
Records until when nothing goes forward into Production, why, and who decided it. The team is told.

**Red**: Retrain's own database does not answer. Clear the task: the days count from the start of the run.
"""

FREEZE_DAG = """
Until a freeze ends, no verdict is applied, and each says so; nor can a person promote, by force or through the API. A
rollback works as always. *Trigger* asks for the model, the number of days, and the reason; 0 days end a freeze.
"""

ADOPT = """
Downloads the files of the version, and looks at them without loading them. With their format and digest in the form, it
loads this copy in a process without logins, lets it score rows of the source, and puts the digest into the ledger. The
version becomes Production if nothing is.

**Red with "nothing was adopted yet"**: the log says what its files are. If you trust them, trigger the DAG again with
this format and digest.

**Red otherwise**: the message says what is missing. Nothing was changed; if MLflow or a database did not answer, clear
the task.
"""

ADOPT_DAG = """
Takes over a version that somebody else put into Production: until it is adopted, no cycle of its model trains or uses
rows. The trust is in the digest of its files alone. A model whose Production was adopted is observed: verdicts are
told, and change nothing until the spec says `mode: enforce`.

*It is not Production* says that what was found does not count: cycles go on without it.
"""

ROLLBACK = """
Puts the version before, or the chosen one, back into Production; first, that version must load and score rows in a
fresh process. If none is chosen, versions that cannot are passed over. It is one row in the ledger, with the reason
and the name of the user who started the run.

**Red with "choose from"** or **"can go back"**: the message lists the versions that can go back, and why others cannot.
Nothing was changed.

**Red with "look again"**: somebody changed Production first. Look at what is there now before you try again.

**Red otherwise**: MLflow or Retrain's own database does not answer. Clear the task: it does not go back twice.
"""

ROLLBACK_DAG = """
Puts the version of a model that was in Production before back there. *Trigger* asks for the model, the reason and the
version.

A version that was rolled back is not promoted again unless it wins again on later rows.
"""

SPLIT_DAG = """
Holds the version in Staging against Production on what units do, where the prediction changes the outcome. *Trigger*
says how long a test would take, starts one, stops it, or gives it more weeks before its end is reached. Every day it
looks, and ends by itself: promoted, dropped, no difference, harm, invalid, or undecided when its time is up. Meanwhile
no other version goes forward into Production; a rollback does, and makes the test void.
"""

SPLIT_ASK = """
Does what was asked for in the trigger form; a plan is in its log. **Skipped** where a run only looks.

**Red**: the message says why the test cannot begin or be changed: none is under way, or one is; nothing is in
Production or in Staging; the version does not load. Nothing was changed.
"""

SPLIT_LOOK = """
Reads exposures and outcomes, once a day (UTC), and concludes what can be concluded; the log says what would change the
answer, and the test's run in MLflow has its report. **Skipped** where no test is under way.

**Red**: the tables that the spec's `ab` names, MLflow or Retrain's own database do not answer. Clear the task: a look
that was saved is not made again.
"""

WATCH_DAG = """
Looks every ten minutes, for every model whose DAG is not paused, for what no cycle would notice, and tells the model's
team when it begins and when it is over. `watch` in the spec defines what is silent and what is late.
"""

WATCH = """
**Green** means that it could look at every model. What it found is in its log and in the team's channels: no labelled
row for as long as `watch.silence`; enough rows for a cycle, and no verdict, for as long as `watch.late`; Production
changed by hand; the files of Production gone.

**Red**: some models could not be looked at. The last lines of the log name each, and why: its source, MLflow or
Retrain's own database does not answer, or it took longer than a minute. Each of their teams was told; the other models
were looked at. The next run looks again.
"""

DUE = """
**Green**: it lists the specs whose later rows are to be looked at now, each a few times a cohort (`watch.cohort`). A
model without a Production, one whose DAG is paused, and one without cohorts are not among them.
"""

LOOK = """
One part for each model: scores Production on the rows that were labelled after it was made, cohort by cohort, and holds
that against what its verdict promised.

**Green** means that it could look. Whether Production does worse than was promised is in the team's channels, on the
dashboard and in MLflow (`later_<metric>` of the version's run).

**Red**: the source, MLflow or Retrain's own database does not answer, or the version cannot be loaded. The team was
told. The next run goes on where this one ended: what was scored is kept.
"""

START = """
Starts a cycle of each model that does worse than was promised, if its spec says `watch.on_decay: retrain`: one for each
cohort that closes meanwhile. Mostly there is none, and the task is skipped.
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
Production if it is better in {metric} beyond chance, on rows that neither has seen. Where there are several, *prepare*
fits before *train* what they have in common.

Each task says under *Docs* what to do when it is red. A task can be cleared at any time: no step does anything twice.
"""
