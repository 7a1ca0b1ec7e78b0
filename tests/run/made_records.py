"""Records made by hand, whole in every part."""

from bench.run.shape import seal


def made(index=0, method="linear", **changes):
    """A sealed record of a cell of `lorch`; `changes` go into the part that has such a field."""
    settings = {"scenario": "LIN_IN", "d": 10, "alpha": 1.0, "index": index}
    key = {"suite": "lorch", "settings": settings, "generator": "g", "method": method}
    key |= {"method_settings": {}, "version": "1", "source": "s", "checkpoint": ""}
    result = {"task": f"lorch/lin_in/d10/i{index}", "scm": f"lin_in/d10/i{index}", "status": "ok"}
    result |= {"reason": "", "role": "baseline", "noise_space": "additive"}
    result |= {"seen_in_training": None, "nodes": {}, "columns": {"x0": [0.5, 1.0]}}
    result |= {"metrics": {"noise": {"version": "1", "value": 0.25}}}
    run = {"launch": 0, "fit_s": 0.01, "query_s": 0.02, "wall_s": 0.05, "threads": 1}
    for part in (key, result, run):
        part |= {name: value for name, value in changes.items() if name in part}
    return seal(key, result, run)
