"""Result rows made by hand, for tests of what is drawn from them."""

import numpy as np
import pandas as pd

from bench.registry import DEFAULT_METHODS
from bench.run.records import COLUMNS


def rows(errors, scenario="LIN_IN", d=10, metric="noise"):
    """Result rows of {method: errors}, one SCM an error."""
    settings = {"suite": "lorch", "graph_kind": "er", "variant": "lorch", "n_context": 400}
    shared = {**dict.fromkeys(COLUMNS, ""), **settings, "alpha": 1.0, "given_graph": "true"}
    return [
        {
            **shared,
            "problem": f"{scenario}-{d}-{i}",
            "data_sha": f"{scenario}-{d}-{i}",
            "scenario": scenario,
            "d": d,
            "method": method,
            "metric": metric,
            "value": value,
            "status": "ok",
        }
        for method, values in errors.items()
        for i, value in enumerate(values)
    ]


OTHERS = ("fip", "deci", "causalnf", "dowhy", "condfip-published", "own.code:Name")
FOURTEEN = (*DEFAULT_METHODS, *OTHERS)


def made_run(methods=FOURTEEN, ds=(10, 20), scms=3):
    """A run of the lorch suite: gamma errors, later methods worse, times that grow."""
    rng = np.random.default_rng(0)
    scenarios = ("LIN_IN", "RFF_IN", "LIN_OUT", "RFF_OUT")
    metrics = ("noise", "counterfactual")
    found = []
    for scenario in scenarios:
        for d in ds:
            for metric in metrics:
                errors = {m: (k + 1) * rng.gamma(4, 0.01, scms) for k, m in enumerate(methods)}
                found += rows(errors, scenario, d, metric)
    times = {m: 0.05 * 1.6**k for k, m in enumerate(methods)}
    frame = pd.DataFrame(found)
    return frame.assign(fit_s=frame["method"].map(times), query_s=0.1, seed=0, index=0)
