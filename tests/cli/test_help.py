"""Every flag of every command says what it does."""

import argparse

import pytest

from bench.cli.parser import parser as bench_parser
from condfip.__main__ import parser as condfip_parser

TOPS = {"python -m bench": bench_parser(), "python -m condfip": condfip_parser()}


def commands(parser, name):
    """(words, parser) of a parser and of all below it."""
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, below in action.choices.items():
                yield from commands(below, f"{name} {word}")


EVERY = dict(pair for name, top in TOPS.items() for pair in commands(top, name))


@pytest.mark.parametrize("name", EVERY)
def test_every_flag_has_help_that_can_be_printed(name):
    flags = [a for a in EVERY[name]._actions if not isinstance(a, argparse._SubParsersAction)]
    assert not [a.option_strings or a.dest for a in flags if not a.help]
    assert all(len(action.help) < 250 for action in flags)
    assert "usage" in EVERY[name].format_help()


def test_every_command_is_told_in_the_help_above_it():
    for top in TOPS.values():
        (below,) = (a for a in top._actions if isinstance(a, argparse._SubParsersAction))
        assert {choice.dest for choice in below._choices_actions} == set(below.choices)
        assert all(choice.help for choice in below._choices_actions)


def test_the_options_of_a_run_stand_in_groups():
    groups = [group.title for group in EVERY["python -m bench run"]._action_groups]
    assert {"a suite of problems", "a table of your own", "what to compute"} <= set(groups)
    (plain,) = (g for g in EVERY["python -m bench run"]._action_groups if g.title == "options")
    assert [action.dest for action in plain._group_actions] == ["help"]
