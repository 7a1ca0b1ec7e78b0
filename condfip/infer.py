"""From a table and a graph on disk to rows of the model that Cond-FiP reads off them."""

from collections.abc import Sequence
from pathlib import Path

from bench.reading.do import parse_do
from bench.reading.own import read_own
from condfip.paper.method import CondFiP


def infer(
    data: Path,
    graph: str,
    out: Path,
    *,
    n: int | None,
    do: Sequence[str],
    counterfactual: bool,
    seed: int,
    checkpoint: Path,
    device: str,
) -> int:
    """Fits the rows of `data`; writes samples, or the rows' counterfactuals; returns how many.

    Args:
        data, graph: see `bench.reading.own.read_own`. do: assignments as after --do, joint.

    Raises:
        ValueError: a file that cannot be read, a graph that does not match the columns, a do() that
            cannot be meant, a checkpoint that cannot be used.
    """
    if counterfactual and not do:
        raise ValueError("--counterfactual needs --do NAME=VALUE")
    own = read_own(data, graph)
    question = parse_do(do, list(own.frame), own.columns) if do else None
    asked = question.over(own.beside(question.columns)) if question else None
    scm = CondFiP.from_pretrained(checkpoint, device).fit(own.frame, own.graph, seed=seed)
    if counterfactual and asked is not None:
        answer = scm.counterfactual(own.frame, asked)
    else:
        answer = scm.sample(n or len(own.frame), asked, seed)
    answer.to_csv(out, index=False)
    return len(answer)
