"""The laws every method keeps; `check` tries them on one method and says which it breaks."""

from collections.abc import Callable, Iterable, Sequence

from bench.laws.laws import LAWS
from bench.laws.trial import LawBroken, Trial
from bench.registry import load_method
from bench.run.environment import one_thread

__all__ = ["LAWS", "check"]


def check(name: str, laws: Sequence[str] = ()) -> Iterable[tuple[str, str]]:
    """Tries on a method the laws that every method keeps: units, order, seeds, do(), and others.

    Args:
        name: of the method; see `load_method`.
        laws: names of some laws of `bench.laws.LAWS`; by default all of them.

    Returns:
        For each law, as soon as it was tried, its name and what is broken, "" where nothing is.

    Raises:
        ValueError: unknown method or law, or a control that needs the truth.

    Example:
        >>> from bench import check
        >>> law, broken = next(iter(check("linear")))
        >>> broken
        ''
    """
    laws = laws or list(LAWS)
    if unknown := [law for law in laws if law not in LAWS]:
        raise ValueError(f"unknown law {unknown[0]}; there are {', '.join(LAWS)}")
    method = load_method(name)
    if method.sees_problem:
        raise ValueError(f"{name} needs the true SCM; the laws are for methods that see data only")
    _ = method.checkpoint_sha  # a file that cannot be read breaks no law
    trial = Trial(method)
    for law in laws:
        with one_thread():
            yield law, _broken(LAWS[law], trial)


def _broken(law: Callable[[Trial], None], trial: Trial) -> str:
    try:
        law(trial)
    except LawBroken as error:
        return str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a method that exits must not look as if all were well
        return f"{type(error).__name__}: {error}"
    return ""
