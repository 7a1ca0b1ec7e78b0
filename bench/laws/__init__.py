"""The laws every method keeps; `check` tries them on one method and says which it breaks."""

from collections.abc import Callable, Iterable

from bench.laws.laws import LAWS
from bench.laws.trial import LawBroken, Trial
from bench.registry import load_method
from bench.run.environment import one_thread

__all__ = ["LAWS", "check"]


def check(name: str, laws: Iterable[str] = LAWS) -> Iterable[tuple[str, str]]:
    """Tries laws on a method and yields (law, what is broken or "").

    Args:
        name: of the method, as `load_method` takes it. laws: of `LAWS`; default: every one.

    Raises:
        ValueError: unknown method or law, or a control that needs the truth.
    """
    if unknown := [law for law in laws if law not in LAWS]:
        raise ValueError(f"unknown law {unknown[0]}; there are {', '.join(LAWS)}")
    method = load_method(name)
    if method.sees_problem:
        raise ValueError(f"{name} needs the true SCM; the laws are for methods that see data only")
    trial = Trial(method)
    for law in laws:
        with one_thread():
            yield law, _broken(LAWS[law], trial)


def _broken(law: Callable[[Trial], None], trial: Trial) -> str:
    try:
        law(trial)
    except LawBroken as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
