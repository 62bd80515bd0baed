"""One policy, cycle by cycle: which challenger is judged, and what becomes of it.

The decisions are the product's: `gate.contest` says who is judged, `gate.judge` whether it passes, `gate.anchor`
against what. What is left out: a person who approves, freezes or rolls back; every promotion takes effect at once.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b

import numpy as np

from retrain.backtest.following import following
from retrain.backtest.history import History
from retrain.backtest.models import Models
from retrain.backtest.replayed import Blocked, Decision, Following, Policy, Rule
from retrain.backtest.timeline import Taken
from retrain.backtest.version import TRAINED_ON, Version
from retrain.backtest.weeks import to_follow
from retrain.backtest.worker import Fit, Predicted
from retrain.cycle.evidence import Asked, Role, evidence_of
from retrain.errors import EstimatorError
from retrain.gate.anchor import Step, anchor_of, asks_for_anchor
from retrain.gate.contest import best, own, own_refit, same_recipe
from retrain.gate.judge import judge
from retrain.gate.labels import Integers
from retrain.gate.predictions import Evidence
from retrain.metrics import described
from retrain.models.recipe import recipe_of
from retrain.records import Matchup, Outcome, Subset, Verdict
from retrain.snapshots.split import as_time
from retrain.spec.candidates import CandidateSpec


@dataclass(eq=False)
class Replay:
    """A policy on its way through its timeline."""

    policy: Policy
    history: History
    models: Models
    timeline: Sequence[Taken | Blocked]
    delay: timedelta
    following_rows: int
    decisions: list[Decision] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)
    trainings: int = 0
    rows_fitted: int = 0
    cpu_seconds: float = 0.0
    keeps_all: bool = False
    """Whether all that it promotes will be asked at the end, for the picture of models by time."""
    verdict_id: Callable[[Taken, bool], str] | None = None
    """Returns the id of a cycle's verdict, or of its second one; the same id gives the same resamples."""
    _done: int = 0
    _promoted: list[tuple[int, Version]] = field(default_factory=list)
    """The place in `decisions` of each promotion, and what came."""
    _steps: list[Step] = field(default_factory=list)
    _tests: dict[int, int] = field(default_factory=dict)
    """Tests spent of each round."""
    _versions: dict[str, Version] = field(default_factory=dict)
    """By the key of the model."""
    _made: dict[tuple[str, str], Version] = field(default_factory=dict)
    """By snapshot and name of the candidate."""
    _scored_as: dict[tuple[str, str], str] = field(default_factory=dict)
    """The key of the model on training rows alone, by the same."""
    _paid: set[str] = field(default_factory=set)
    _served: list[tuple[int, Integers, Predicted]] = field(default_factory=list)
    """For each Production that was replaced: the place in `decisions`, the rows it scored, what it predicted."""

    def __post_init__(self) -> None:
        spec = self.policy.spec
        self._recipes = {each.name: recipe_of(spec, each.name) for each in spec.candidates}

    # ── where it is

    @property
    def next_at(self) -> np.datetime64 | None:
        """The time of the next cycle; None at the end."""
        return as_time(self.timeline[self._done].at) if self._done < len(self.timeline) else None

    @property
    def production(self) -> Version | None:
        return self._promoted[-1][1] if self._promoted else None

    @property
    def _is_over(self) -> bool:
        """Whether nothing is trained any more: the first model stays."""
        return self.policy.rule is Rule.NEVER and bool(self._promoted)

    @property
    def live(self) -> set[str]:
        """Keys of the models that may be asked again: Production, and the gate's anchor."""
        if self.keeps_all:
            return {each.key for _, each in self._promoted}
        versions = [self.production, self._anchor()]
        return {each.key for each in versions if each is not None}

    def promoted(self, place: int) -> Version:
        """Return the version whose promotion is at this place of `decisions`."""
        return next(version for at, version in self._promoted if at == place)

    # ── one cycle

    def prefetch(self, taken: Taken) -> bool:
        """Want what this cycle surely fits; return whether all of it is wanted."""
        if self._is_over:
            return True
        names = [each.name for each in self.policy.spec.candidates]
        if len(names) > 1:
            if not all([self.models.ready(self._scored(taken, name)) for name in names]):  # each is wanted
                return False
            names = [name] if (name := self._winner(taken)) is not None else []
        for name in names:
            self._challenger(taken, name)
        return True

    def upcoming(self, count: int) -> Iterator[Taken]:
        """Yield the snapshots of the next cycles."""
        for each in self.timeline[self._done : self._done + count]:
            if isinstance(each, Taken):
                yield each

    def step(self) -> None:
        """Go through the next cycle."""
        taken = self.timeline[self._done]
        self._done += 1
        if self._is_over:
            return
        if isinstance(taken, Blocked):
            self.blocked.append(taken)
            return
        try:
            winner = self._winner(taken)
            if winner is None:
                raise EstimatorError("no candidate could be fitted")
            version = self._challenger(taken, winner)
            self._pay(version.key)
        except EstimatorError as error:
            self.blocked.append(Blocked(at=taken.at, checks=(f"training: {error}",)))
            return
        self._decide(taken, version)

    def _winner(self, taken: Taken) -> str | None:
        """Return the name of the best candidate on the validation rows; None where none could be fitted."""
        candidates = self.policy.spec.candidates
        if len(candidates) == 1:
            return candidates[0].name
        scores = dict[str, float]()
        for each in candidates:
            try:
                score = self.models.fitted_as(self._scored(taken, each.name)).score
            except EstimatorError:
                continue
            if score is not None:
                scores[each.name] = score
        order = [each.name for each in candidates]
        return best(scores, order, self.policy.spec.gate.metric) if scores else None

    def _scored(self, taken: Taken, name: str) -> str:
        """Want the model of a candidate on the training rows alone, with its score on the validation rows.

        Returns its key.
        """
        if (known := self._scored_as.get((taken.id, name))) is not None:
            return known
        spec, history = self.policy.spec, self.history
        rows, validation = taken.part(history, Subset.TRAIN), taken.part(history, Subset.VALIDATION)
        candidate = spec.candidate(name)
        fit = Fit(self.models.key(spec, self._known_as(candidate), rows, validation), candidate, rows, validation)
        self.models.want(spec, fit, np.empty(0, np.int64), as_time(taken.at))
        self._scored_as[taken.id, name] = fit.key
        return fit.key

    def _challenger(self, taken: Taken, name: str) -> Version:
        """Want the model of a candidate on training and validation rows, and return it as the next version."""
        if (known := self._made.get((taken.id, name))) is not None:
            return known
        spec, history = self.policy.spec, self.history
        rows, candidate = taken.part(history, *TRAINED_ON), spec.candidate(name)
        key = self.models.key(spec, self._known_as(candidate), rows)
        self.models.want(spec, Fit(key, candidate, rows, None), self._asked_at_once(taken), as_time(taken.at))
        if key not in self._versions:
            self._versions[key] = Version(str(len(self._versions) + 1), key, name, self._recipes[name], taken)
        self._made[taken.id, name] = self._versions[key]
        return self._versions[key]

    def _known_as(self, candidate: CandidateSpec) -> str:
        """Return the recipe of a candidate; where its function has no source to read, what the spec says of it."""
        return self._recipes[candidate.name] or json.dumps([candidate.function, candidate.params], sort_keys=True)

    def _asked_at_once(self, taken: Taken) -> Integers:
        """Return the rows that a challenger of this cycle is asked for whatever comes of it, and most of the others."""
        after = self._rows_after(taken.at, self.following_rows)
        return np.union1d(taken.part(self.history, Subset.HOLDOUT), after)

    def _rows_after(self, at: datetime, count: int) -> Integers:
        begin = self.history.until(as_time(at))
        return np.sort(self.history.by_time[begin : begin + count])

    def _pay(self, key: str) -> None:
        """Count a fit as a policy that shares nothing would."""
        if key in self._paid:
            return
        self._paid.add(key)
        fitted = self.models.fitted_as(key)
        self.trainings += 1
        self.rows_fitted += self.models.rows_of(key)
        self.cpu_seconds += fitted.seconds

    # ── what becomes of a challenger

    def _decide(self, taken: Taken, challenger: Version) -> None:
        spec = self.policy.spec
        for candidate in spec.candidates if len(spec.candidates) > 1 else ():
            self._pay(self._scored(taken, candidate.name))
        production = self.production
        recipe = production.recipe if production else None
        name = own(self._recipes, recipe)
        same = same_recipe(challenger.recipe, recipe)
        evidence = self._evidence(taken, challenger, same_recipe=same, again=False)
        if self.policy.rule is not Rule.GATE:
            promoted = production is None or self._promotes(evidence)
            self._record(taken, challenger, None, promoted)
            return
        verdict = judge(evidence, spec.gate)
        self._spend(verdict)
        self._record(taken, challenger, verdict, verdict.outcome is Outcome.PROMOTE)
        if name is not None and own_refit(spec.gate, verdict, challenger.candidate, name):
            refit = self._challenger(taken, name)
            self._pay(refit.key)
            verdict = judge(self._evidence(taken, refit, same_recipe=True, again=True), spec.gate)
            self._spend(verdict)
            self._record(taken, refit, verdict, verdict.outcome is Outcome.PROMOTE)

    def _promotes(self, evidence: Evidence) -> bool:
        if self.policy.rule is not Rule.GREATER:
            return self.policy.rule is Rule.ALWAYS
        gate = self.policy.spec.gate
        verdict = judge(evidence, gate)
        own, theirs = verdict.score, verdict.production_score
        return own is not None and theirs is not None and described(gate.metric).sign * (own - theirs) > 0

    def _spend(self, verdict: Verdict) -> None:
        if verdict.score is not None:
            spent = self._tests.get(verdict.matchup.holdout_round, 0)
            self._tests[verdict.matchup.holdout_round] = spent + 1

    def _record(self, taken: Taken, challenger: Version, verdict: Verdict | None, promoted: bool) -> None:
        production = self.production
        self.decisions.append(
            Decision(
                at=taken.at,
                snapshot_rows=taken.end - taken.begin,
                candidate=challenger.candidate,
                challenger=challenger.key,
                production=None if production is None else production.key,
                promoted=promoted,
                verdict=verdict,
                following=None if production is None else self._followed(taken, challenger, production),
            )
        )
        if promoted:
            self._served = self.served(as_time(taken.at))  # of what is being replaced, all
            self._promoted.append((len(self.decisions) - 1, challenger))
            self._steps.append(Step(challenger.id, verdict, forward=True))

    def _followed(self, taken: Taken, challenger: Version, production: Version) -> Following | None:
        rows = self._rows_after(taken.at, self.following_rows)
        if not len(rows):
            return None
        evidence = evidence_of(
            self.policy.spec,
            self._matchup(taken, challenger, production, None, same_recipe=False, again=False),
            self.history.labels.iloc[rows].reset_index(drop=True),
            to_follow(self.history.times[rows]),
            {"challenger": self._asked(challenger, rows), "production": self._asked(production, rows)},
        )
        return following(evidence, self.policy.spec.gate)

    # ── evidence

    def _evidence(self, taken: Taken, challenger: Version, *, same_recipe: bool, again: bool) -> Evidence:
        spec, history = self.policy.spec, self.history
        production, anchor = self.production, self._anchor()
        if anchor is production:
            anchor = None
        holdout = taken.part(history, Subset.HOLDOUT)
        others: dict[Role, Version | None] = {"production": production, "anchor": anchor}
        versions: dict[Role, Version] = {"challenger": challenger}
        versions |= {role: each for role, each in others.items() if each is not None}
        seen = np.zeros(len(holdout), np.bool_)
        for each in versions.values():
            seen |= self._seen(holdout, each)
        judged = holdout[~seen]
        return evidence_of(
            spec,
            self._matchup(taken, challenger, production, anchor, same_recipe=same_recipe, again=again),
            history.labels.iloc[judged].reset_index(drop=True),
            history.clusters[judged],
            {role: self._asked(each, judged) for role, each in versions.items()},
            features=history.features.iloc[judged].reset_index(drop=True) if spec.gate.slices else None,
            overlap=int(seen.sum()),
        )

    def _seen(self, rows: Integers, version: Version) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """Return which rows a version has learnt from, by content and by group, as `SnapshotStore.seen` does."""
        history, trained = self.history, version.trained_on(self.history)
        found = np.isin(history.content[rows], history.content[trained])
        if history.groups is not None:
            found |= np.isin(history.groups[rows], history.groups[trained])
        return found

    def _asked(self, version: Version, rows: Integers) -> Asked:
        raw = self.models.predictions(version.key, rows).raw(rows)
        inputs = dict.fromkeys(self.policy.spec.source.features, "any")
        return Asked(raw, inputs=inputs, train_rows=self.models.rows_of(version.key))

    def _matchup(
        self,
        taken: Taken,
        challenger: Version,
        production: Version | None,
        anchor: Version | None,
        *,
        same_recipe: bool,
        again: bool,
    ) -> Matchup:
        text = " ".join([taken.id, challenger.key, production.key if production else "", str(again)])
        verdict_id = blake2b(text.encode(), digest_size=16).hexdigest()
        return Matchup(
            id=self.verdict_id(taken, again) if self.verdict_id else verdict_id,
            model=self.policy.spec.model,
            candidate=challenger.candidate,
            snapshot=taken.id,
            run_id=challenger.key,
            version=challenger.number,
            identity=challenger.key,
            production=production.number if production else None,
            production_identity=production.key if production else None,
            anchor=anchor.number if anchor else None,
            anchor_identity=anchor.key if anchor else None,
            same_recipe=same_recipe,
            holdout_round=taken.current,
            test=self._tests.get(taken.current, 0) + 1,
        )

    def _anchor(self) -> Version | None:
        gate = self.policy.spec.gate
        if not asks_for_anchor(gate):
            return None
        found = anchor_of(self._steps, metric=gate.metric, positive=gate.positive, split_version=1)
        return None if found is None or found.identity is None else self._versions[found.identity]

    # ── what Production predicted

    def served(self, until: np.datetime64) -> list[tuple[int, Integers, Predicted]]:
        """Return which rows each Production scored, and its predictions for them; the last one's until this time."""
        if not self._promoted:
            return []
        place, version = self._promoted[-1]
        rows = self._scored_rows(as_time(self.decisions[place].at), until)
        return [*self._served, (place, rows, self.models.predictions(version.key, rows))]

    def _scored_rows(self, since: np.datetime64, until: np.datetime64) -> Integers:
        """Return the rows that were predicted after `since` and up to `until`: their labels came `delay` later."""
        delay = np.timedelta64(self.delay)
        return np.sort(self.history.by_time[self.history.until(since + delay) : self.history.until(until + delay)])
