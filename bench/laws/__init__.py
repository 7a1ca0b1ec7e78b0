"""The laws every method keeps; `check` tries them on one method and says which it breaks."""

from collections.abc import Callable, Iterable

from bench.laws.laws import LAWS
from bench.laws.trial import LawBroken, Trial
from bench.registry import load_method
from bench.run.environment import one_thread

__all__ = ["LAWS", "check"]


def check(name: str) -> Iterable[tuple[str, str]]:
    """Tries every law on a method and yields (law, what is broken or "").

    Raises:
        ValueError: unknown method, or a control that needs the truth.
    """
    method = load_method(name)
    if method.sees_problem:
        raise ValueError(f"{name} needs the true SCM; the laws are for methods that see data only")
    trial = Trial(method)
    for law, keeps in LAWS.items():
        with one_thread():
            yield law, _broken(keeps, trial)


def _broken(law: Callable[[Trial], None], trial: Trial) -> str:
    try:
        law(trial)
    except LawBroken as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
