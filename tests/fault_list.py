"""One-line faults that somebody could make, and the tests that should notice each.

`old` is a whole line without its indentation, and stands once in its file.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """What goes wrong, where, the line before and after, and the tests that should notice."""

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def words(self) -> str:
        """All that a person may look for."""
        return " ".join((self.what, self.file, *self.tests))


SCM = "tests/scm/test_scm.py"
VERBS = "tests/scm/test_verbs.py"
FLOOR = "tests/scm/test_floor.py"
TASKS = "tests/test_tasks.py"
METRICS = "tests/test_metrics.py"
STATS = "tests/analysis/test_stats.py"
TABLES = "tests/analysis/test_tables.py"
SUMMARY = "tests/analysis/test_summary.py"
RESULTS = "tests/analysis/test_results.py"
MERGE = "tests/analysis/test_merge.py"
BOARD = "tests/analysis/test_board.py"
TRUST = "tests/analysis/trust/test_trust.py"
EFFECTS = "tests/suites/test_suites_effects.py"
MIXED = "tests/mixed/test_mixed.py"
RESUMED = "tests/condfip/test_training.py::test_a_resumed_run_equals_one_without_a_stop"
RECORDS = "tests/run/test_records.py"
FAMILY = "tests/run/test_family.py"
READ_DO = "tests/reading/test_do.py::test_each_form_is_read"
ANSWERS = "tests/own/test_answers.py"
LORCH = "tests/suites/test_suites_lorch.py"
ENDS = "test_an_effect_goes_from_its_first_value_to_its_second"
LAWS = "tests/laws/test_laws.py::test_a_broken_method_is_caught"
PUBLISHED = f"{TASKS}::test_problems_are_those_of_the_published_runs"

FAULTS = (
    # the simulator and its floor
    Fault(
        "the RFF floor has half its length",
        "bench/scm/floor.py",
        "self.x, self.length = seen.x, float(truth.length[seen.node])",
        "self.x, self.length = seen.x, float(truth.length[seen.node]) / 2",
        (f"{FLOOR}::test_the_floor_of_random_features_is_a_gaussian_process_written_out",),
    ),
    Fault(
        "the RFF floor forgets the bias",
        "bench/scm/floor.py",
        "return self.variance * torch.exp(-distance.square() / 2) + self.bias",
        "return self.variance * torch.exp(-distance.square() / 2)",
        (f"{FLOOR}::test_the_floor_of_random_features_is_a_gaussian_process_written_out",),
    ),
    Fault(
        "the floor is called a bound where nodes share features",
        "bench/scm/floor.py",
        'return ("noise",) if known and not shared else ()',
        'return ("noise",) if known else ()',
        (f"{FLOOR}::test_only_what_cannot_be_beaten_is_a_bound",),
    ),
    Fault(
        "`sample` draws whole residual rows",
        "bench/scm/base.py",
        "rows = rng.integers(len(self.residuals), size=(n, len(self.names)))",
        "rows = rng.integers(len(self.residuals), size=(n, 1))",
        (f"{VERBS}::test_noise_is_drawn_for_each_node_alone",),
    ),
    Fault(
        "`sample` of a stranger's estimate draws whole residual rows",
        "bench/loaded.py",
        "rows = rng.integers(len(residuals), size=(n, len(self.names)))",
        "rows = rng.integers(len(residuals), size=(n, 1))",
        (f"{VERBS}::test_noise_is_drawn_for_each_node_alone",),
    ),
    Fault(
        "residuals are not centred",
        "bench/scm/base.py",
        "return residuals - residuals.mean(0)",
        "return residuals",
        (f"{VERBS}::test_noise_that_is_drawn_has_mean_0",),
    ),
    Fault(
        "a clamped node that descends from another is solved all the same",
        "bench/scm/base.py",
        "return np.flatnonzero(self.below[clamped].any(0) & ~clamped).tolist()",
        "return np.flatnonzero(self.below[clamped].any(0)).tolist()",
        (f"{VERBS}::test_every_kind_of_do_by_algebra",),
    ),
    Fault(
        "only the first level below a do() is solved again",
        "bench/scm/base.py",
        "below[node] |= below[adjacency[node]].any(0)",
        "below[node] |= False",
        (f"{VERBS}::test_every_kind_of_do_by_algebra",),
    ),
    Fault(
        "changes of several nodes settle one round too early",
        "bench/scm/do.py",
        "for _ in self.changes:",
        "for _ in list(self.changes)[:1]:",
        (f"{VERBS}::test_every_kind_of_do_by_algebra",),
    ),
    Fault(
        "draws of two nodes are one draw",
        "bench/scm/do.py",
        "value = value.rows(n, np.random.default_rng([seed, j]))",
        "value = value.rows(n, np.random.default_rng([seed]))",
        (f"{VERBS}::test_draws_of_two_nodes_are_two_draws",),
    ),
    Fault(
        "random features have half their variance",
        "bench/scm/mechanisms.py",
        "factor = self.scale[child] * (2 / self.omega.shape[1]) ** 0.5",
        "factor = self.scale[child] * (1 / self.omega.shape[1]) ** 0.5",
        (f"{SCM}::test_random_features_have_the_moments_of_their_kernel",),
    ),
    Fault(
        "lengths multiply where they should divide",
        "bench/scm/mechanisms.py",
        "omega = self.omega[edge] / self.length[child, None, None]  # [G, P, M]",
        "omega = self.omega[edge] * self.length[child, None, None]  # [G, P, M]",
        (f"{SCM}::test_random_features_have_the_moments_of_their_kernel",),
    ),
    Fault(
        "linear weights are never negative",
        "bench/scm/mechanisms.py",
        "return Linear(_padded(size * sign), draw.stretch * _bias(plan, draw, generator))",
        "return Linear(_padded(size), draw.stretch * _bias(plan, draw, generator))",
        (PUBLISHED,),
    ),
    Fault(
        "scale-free graphs do not prefer hubs",
        "bench/scm/graphs.py",
        "popularity[:, :new] += adjacency[:, new, :new]",
        "popularity[:, :new] += 0 * adjacency[:, new, :new]",
        (PUBLISHED,),
    ),
    Fault(
        "nodes stand in causal order",
        "bench/scm/graphs.py",
        "order = uniform((batch, d), generator).argsort(1)",
        "order = uniform((batch, d), generator).argsort(1).sort(1).values",
        (f"{SCM}::test_nodes_come_in_random_order",),
    ),
    Fault(
        "Laplace noise has its variance wrong",
        "bench/scm/noise.py",
        "return UnitNoise(_laplace, 2.0)",
        "return UnitNoise(_laplace, 1.0)",
        (f"{SCM}::test_noise_has_mean_zero_and_its_variance",),
    ),
    # problems and metrics
    Fault(
        "the variant causica is drawn as lorch",
        "bench/scm/prior.py",
        'return Draw(ranges, stretch, shared=self.variant == "causica")',
        "return Draw(ranges, stretch)",
        (f"{SCM}::test_shared_features_are_shared_between_the_nodes_of_one_scm",),
    ),
    Fault(
        "seeds do not depend on the last word",
        "bench/task.py",
        'digest = hashlib.sha256("/".join(map(str, words)).encode()).digest()',
        'digest = hashlib.sha256("/".join(map(str, words[:-1])).encode()).digest()',
        (PUBLISHED,),
    ),
    Fault(
        "a longer context draws other rows",
        "bench/suites/draws.py",
        "blocks = [draw(stream(block)) for block in range(-(-n // BLOCK))]",
        "blocks = [draw(stream(block, n)) for block in range(-(-n // BLOCK))]",
        (f"{TASKS}::test_a_short_context_begins_a_long_one",),
    ),
    Fault(
        "errors are in deviations of the query alone",
        "bench/task.py",
        "return np.vstack([self.data.rows, self.query_rows]).std(0, ddof=1)",
        "return self.query_rows.std(0, ddof=1)",
        (METRICS,),
    ),
    Fault(
        "RMSE pools rows before the root",
        "bench/metrics/errors.py",
        "return float(np.sqrt(np.square(error / scale).mean(1)).mean())",
        "return float(np.sqrt(np.square(error / scale).mean()))",
        (f"{TASKS}::test_metrics_by_hand",),
    ),
    Fault(
        "counterfactuals are given the true noise",
        "bench/metrics/errors.py",
        "return _average(problem, lambda do: estimate.counterfactual(query, do))",
        "return _average(problem, lambda do: estimate.generate(problem.query_noise, do))",
        (METRICS,),
    ),
    Fault(
        "published noise is scored on the query rows",
        "bench/metrics/errors.py",
        "return rmse(answer[: len(true)] - true, problem.scale)",
        "return rmse(answer[-len(true) :] - true, problem.scale)",
        (METRICS,),
    ),
    Fault(
        "an edge the wrong way round counts by half of the graph only",
        "bench/metrics/graphs.py",
        "differs = (given != true) | (given.T != true.T)",
        "differs = given != true",
        (f"{LORCH}::test_corruptions_have_their_distance_and_begin_one_another",),
    ),
    Fault(
        "an effect on rows has the other sign",
        "bench/scm/contrast.py",
        "return self._checked((high - low)[:, scm.names.index(self.outcome)])",
        "return self._checked((low - high)[:, scm.names.index(self.outcome)])",
        (f"{EFFECTS}::test_the_truth_has_no_error_and_least_squares_little",),
    ),
    Fault(
        "an interval costs nothing where it misses",
        "bench/scm/contrast.py",
        "return float((high - low + 2 / OUTSIDE * missed) / self.unit)",
        "return float((high - low) / self.unit)",
        (f"{EFFECTS}::test_intervals_by_hand",),
    ),
    # laws
    Fault(
        'the law "do clamps and spares the rest" returns at once',
        "bench/laws/laws.py",
        'free, done = trial.estimate.generate(u), trial.estimate.generate(u, do={"c": 1.25})',
        "return",
        (LAWS,),
    ),
    Fault(
        "every law is kept",
        "bench/laws/trial.py",
        "raise LawBroken(otherwise)",
        "return",
        (LAWS,),
    ),
    Fault(
        "the law of units tries the units of the data",
        "bench/laws/laws.py",
        "UNITS = 2.0 ** np.array([10, -10, 3, 0, -7])  # powers of two: exact in floating point",
        "UNITS = 2.0 ** np.zeros(5)",
        (LAWS,),
    ),
    Fault(
        "the law of abduction lets a tenth of all rows miss",
        "bench/laws/laws.py",
        "few = missed.mean() <= steps and (not missed.any() or on_steps(estimate, rows[missed]))",
        "few = missed.mean() <= STEPS",
        (LAWS,),
    ),
    Fault(
        "rounded rows may miss wherever they stand",
        "bench/laws/trial.py",
        "return bool((np.maximum(down, up) > EXACT).all())",
        "return True",
        ("tests/laws/test_laws.py::test_a_rounded_row_on_a_step_may_fall_and_no_other_row",),
    ),
    Fault(
        "any method may answer a little otherwise in other units",
        "bench/laws/trial.py",
        "allowed = CLOSE if trial.seeded else SLIGHT",
        "allowed = CLOSE",
        (LAWS,),
    ),
    # analysis
    Fault(
        "P(better) is that of the other",
        "bench/analysis/summary.py",
        "improvement = probability_of_improvement(errors[method], errors[best], strata)",
        "improvement = probability_of_improvement(errors[best], errors[method], strata)",
        (SUMMARY,),
    ),
    Fault(
        "error / floor is floor / error",
        "bench/analysis/summary.py",
        "logs = {m: log_ratio_to_floor(errors[m], errors[floor]) for m in errors if m != floor}",
        "logs = {m: log_ratio_to_floor(errors[floor], errors[m]) for m in errors if m != floor}",
        (SUMMARY,),
    ),
    Fault(
        "the win table is transposed",
        "bench/analysis/summary.py",
        'shares = [f"{rates.loc[method, other]:.2f}" for other in methods]',
        'shares = [f"{rates.loc[other, method]:.2f}" for other in methods]',
        (SUMMARY,),
    ),
    Fault(
        "`table --like` takes SCMs of other noises",
        "bench/analysis/paper.py",
        'wanted |= {"shift": shift, "noise": "", "given": "inferred" if inferred else "true"}',
        'wanted |= {"shift": shift, "given": "inferred" if inferred else "true"}',
        (f"{TABLES}::test_a_table_of_the_paper_leaves_out_what_was_drawn_otherwise",),
    ),
    Fault(
        "`table --like` takes SCMs of other settings",
        "bench/analysis/paper.py",
        "kept &= frame[axis] == value",
        "kept &= True",
        (f"{TABLES}::test_a_table_of_the_paper_leaves_out_what_was_drawn_otherwise",),
    ),
    Fault(
        "Holm's p-values may fall",
        "bench/analysis/stats.py",
        "stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))",
        "stepped = values[order] * np.arange(len(values), 0, -1)",
        (f"{STATS}::test_holm_by_hand",),
    ),
    Fault(
        "standard errors divide by n",
        "bench/analysis/stats.py",
        "return float(numbers.mean()), float(numbers.std(ddof=1) / len(numbers) ** 0.5)",
        "return float(numbers.mean()), float(numbers.std() / len(numbers) ** 0.5)",
        (f"{STATS}::test_a_t_interval_agrees_with_scipy",),
    ),
    Fault(
        "settings of one SCM count as SCMs",
        "bench/analysis/stats.py",
        "return errors.groupby(_scm_of(rows).reindex(errors.index), sort=False).mean()",
        "return errors",
        (f"{TABLES}::test_the_settings_of_one_scm_are_one_block",),
    ),
    Fault(
        "the last of several runs counts, not the first",
        "bench/analysis/results.py",
        'first = frame.groupby(cell, sort=False)["run"].transform("first")',
        'first = frame.groupby(cell, sort=False)["run"].transform("last")',
        (RESULTS,),
    ),
    Fault(
        "two runs are subtracted the other way",
        "bench/analysis/compare.py",
        "mean, error = paired_difference(second, first)",
        "mean, error = paired_difference(first, second)",
        (f"{RESULTS}::test_two_runs_of_other_methods_stand_beside_each_other",),
    ),
    Fault(
        "pretraining is repaid one dataset too early",
        "bench/analysis/summary.py",
        'return f"{math.ceil(cost / saved):,}" if saved > 0 else "-"',
        'return f"{math.floor(cost / saved):,}" if saved > 0 else "-"',
        (f"{TABLES}::test_pretraining_is_repaid_after_as_many_datasets_as_it_saves",),
    ),
    Fault(
        "a failed cell stands before a finished one of another run",
        "bench/analysis/merge.py",
        "if known and _finished(known):",
        "if known:",
        (f"{MERGE}::test_a_finished_cell_counts_before_a_failed_one",),
    ),
    Fault(
        "merged records name the launch of another run",
        "bench/analysis/merge.py",
        'moved = {**record, "run": {**record["run"], "launch": places[record["run"]["launch"]]}}',
        "moved = record",
        (f"{MERGE}::test_every_record_still_names_its_launch",),
    ),
    Fault(
        "a score is the mean of ratios, not of their logarithms",
        "bench/analysis/skill.py",
        "mean = float(np.exp(logs.mean()))",
        "mean = float(np.exp(logs).mean())",
        (f"{BOARD}::test_a_score_is_a_geometric_mean_whose_interval_is_over_scms",),
    ),
    Fault(
        "the board divides the reference by the method",
        "bench/analysis/skill.py",
        'rows = rows.assign(log=np.log(rows["value"]) - np.log(below)).dropna(subset="log")',
        'rows = rows.assign(log=np.log(below) - np.log(rows["value"])).dropna(subset="log")',
        (f"{BOARD}::test_ratios_are_to_the_control_that_most_cells_have_and_leave_the_truth_out",),
    ),
    Fault(
        "kinds of checks are not corrected for their number",
        "bench/analysis/trust/check.py",
        "p = min(1.0, p * len(kinds))",
        "p = min(1.0, p)",
        (f"{TRUST}::test_tests_are_corrected_within_a_kind_and_for_the_kinds",),
    ),
    Fault(
        "a node should be independent of its own parents",
        "bench/analysis/trust/graph.py",
        "others = ~below[j] & ~adjacency[:, j] & (below[:, j] | (np.arange(len(adjacency)) < j))",
        "others = ~below[j] & (below[:, j] | (np.arange(len(adjacency)) < j))",
        (f"{TRUST}::test_what_parents_separate_is_what_d_separation_says",),
    ),
    # runs
    Fault(
        "the memory limit ignores a method's own children",
        "bench/run/processes.py",
        "self.family = [self.family[0], *descendants(self.family[0].pid)]",
        "self.family = [self.family[0]]",
        (FAMILY,),
    ),
    Fault(
        "pages that processes share count in each",
        "bench/run/family.py",
        'OWN = (b"Pss_Anon:", b"Pss_Shmem:")',
        'OWN = (b"Rss:",)',
        (FAMILY,),
    ),
    Fault(
        "a changed record is believed",
        "bench/run/shape.py",
        "if not sealed:",
        "if sealed is None:",
        (RECORDS,),
    ),
    Fault(
        "the first line of a cell wins",
        "bench/run/records.py",
        "last.pop(cell, None)",
        "if cell in last: continue",
        (f"{RECORDS}::test_the_last_line_of_a_cell_wins_and_other_keys_are_stale",),
    ),
    Fault(
        "docstrings change a method's fingerprint",
        "bench/run/fingerprint.py",
        "if documented and ast.get_docstring(node, clean=False) is not None:",
        "if False:",
        ("tests/run/test_fingerprint.py",),
    ),
    # questions and answers
    Fault(
        "scale: is read as shift:",
        "bench/reading/do.py",
        "return Scale(_number(rest))",
        "return Shift(_number(rest))",
        (READ_DO,),
    ),
    Fault(
        "an effect's ends are swapped",
        "bench/suites/answers.py",
        "ends = [{effect.cause: effect.low}, {effect.cause: effect.high}]",
        "ends = [{effect.cause: effect.high}, {effect.cause: effect.low}]",
        (f"{ANSWERS}::{ENDS}",),
    ),
    Fault(
        "levels are drawn against the order of the categories",
        "bench/mixed/scm.py",
        "new[:, j] = (u[:, [j]] >= self._ends(encoded, j)).sum(1)",
        "new[:, j] = (u[:, [j]] < self._ends(encoded, j)).sum(1)",
        (f"{MIXED}::test_noise_gives_the_rows_back_and_what_nothing_moves_stays",),
    ),
    Fault(
        "a count is moved by its rounded number",
        "bench/mixed/scm.py",
        "within = self._uniform(j, len(x)) - 0.5",
        "within = 0.0",
        (f"{MIXED}::test_a_count_moves_on_average_by_what_its_number_moves",),
    ),
    # methods
    Fault(
        "columns are not put in the order of their names",
        "bench/standardised.py",
        "return (x[:, self.order] - self.mean) * self.inverse",
        "return (x - self.mean) * self.inverse",
        ("tests/baselines/test_methods.py::test_every_method_keeps_the_laws[linear]",),
    ),
    Fault(
        "least squares counts no degrees of freedom",
        "baselines/linear.py",
        "freedom = max(len(design) - len(size), 1)",
        "freedom = len(design)",
        (f"{ANSWERS}::test_samples_have_the_noise_that_the_degrees_of_freedom_say",),
    ),
    Fault(
        "attention over parents may add up to more than one",
        "condfip/paper/layers.py",
        "return powers, torch.maximum(powers.sum(-1, keepdim=True), (-most).exp())",
        "return powers, (-most).exp()",
        (
            "tests/condfip/test_model.py::test_weights_over_parents_add_up_to_at_most_one_and_a_root_gets_nothing",
        ),
    ),
    Fault(
        "a resumed training forgets its optimiser",
        "condfip/run.py",
        'optimiser.load_state_dict(optimiser.state_dict() | {"state": state})',
        "state.clear()",
        (RESUMED,),
    ),
    Fault(
        "a resumed training begins its average anew",
        "condfip/run.py",
        'fill(run.average, renamed(below("average.", tensors)), path)',
        'fill(run.average, renamed(below("model.", tensors)), path)',
        (RESUMED,),
    ),
)
