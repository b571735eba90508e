# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use it from other collections or standalone plugins/modules!

"""What an agent says about its options, and whether a declaration fits it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable, Collection, Iterable, Mapping, Optional
from xml.etree import ElementTree

from ansible_collections.kwdb.ha.plugins.module_utils import _command, _declaration

if TYPE_CHECKING:
    from ansible_collections.kwdb.ha.plugins.module_utils._command import Runner

# Options of every fence device that Pacemaker itself reads and the agent never sees.
FENCER_OPTIONS = frozenset(("priority", "provides", "stonith-timeout"))
# Pacemaker fills these in; with them in the configuration a device kills the wrong host.
FENCER_FILLS = frozenset(("action", "plug", "port", "nodename"))


@dataclass(frozen=True)
class Parameter:
    """One option of an agent."""

    kind: str = "string"
    required: bool = False
    replaces: str = ""


@dataclass(frozen=True)
class Agent:
    """An agent and its options."""

    name: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


Lookup = Callable[[str], Optional[Agent]]


def parse(name: str, text: str) -> Agent:
    """The agent's own description of itself."""
    parameters: dict[str, Parameter] = {}
    for element in ElementTree.fromstring(text.strip()).iter("parameter"):
        content = element.find("content")
        parameters[element.get("name", "")] = Parameter(
            kind="string" if content is None else content.get("type", "string"),
            required=element.get("required", "0").lower() in ("1", "true"),
            replaces=element.get("obsoletes", ""),
        )
    return Agent(name, parameters)


def lookup(run: Runner, preview: bool = False) -> Lookup:
    """Ask each agent once; with preview an agent that is not installed yet is taken as it is."""
    known: dict[str, Agent | None] = {}

    def ask(name: str) -> Agent | None:
        if name not in known:
            known[name] = _ask(run, name, preview)
        return known[name]

    return ask


def _ask(run: Runner, name: str, preview: bool) -> Agent | None:
    kind, agent = name.split(":", 1)
    if kind == "stonith":
        argv = ["stonith_admin", "--metadata", "--agent", agent]
    elif kind == "ocf":
        argv = ["crm_resource", "--show-metadata", name]
    else:
        return None  # units have no options
    try:
        return parse(name, run(argv).stdout)
    except _command.CommandFailed as exc:
        if preview:
            return None
        raise _declaration.DeclarationInvalid(
            f"the agent {name} is not installed on this host, or does not describe itself"
            f"{hint(name, _installed(run, kind, agent))} ({exc})"
        ) from exc
    except ElementTree.ParseError as exc:
        raise _declaration.DeclarationInvalid(
            f"the agent {name} describes itself in broken XML: {exc}"
        ) from exc


def _installed(run: Runner, kind: str, agent: str) -> list[str]:
    """Names of agents that the wanted one may have been meant to be; a mistake costs the time."""
    if kind == "stonith":
        said = run(["stonith_admin", "--list-installed"], ok=range(256)).stdout
        return [f"stonith:{line.strip()}" for line in said.splitlines()]
    said = run(["crm_resource", "--list-ocf-providers"], ok=range(256)).stdout
    providers = [line.strip() for line in said.splitlines()]
    wanted = agent.split(":")[0]
    found = []
    for provider in [wanted] if wanted in providers else providers:
        said = run(["crm_resource", "--list-agents", f"ocf:{provider}"], ok=range(256)).stdout
        found += [f"ocf:{provider}:{line.strip()}" for line in said.splitlines()]
    return found


def kind_of(agent: Agent | None, option: str) -> str:
    """The type of an option, plain text when nobody says."""
    known = None if agent is None else agent.parameters.get(option)
    return "string" if known is None else known.kind


def only_for_pacemaker(option: str) -> bool:
    """Whether Pacemaker reads this option of a fence device, and the agent does not."""
    return option.startswith("pcmk_") or option in FENCER_OPTIONS


def hint(name: str, known: Iterable[str]) -> str:
    """A question for the nearest right name, empty when none is near."""
    import difflib  # only a wrong name needs it

    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def check(agent: Agent, identity: str, options: Collection[str]) -> None:
    """Refuse options that the agent does not have, and the absence of those it needs."""
    fence = agent.name.startswith("stonith:")
    for name in sorted(options):
        if fence and name in FENCER_FILLS:
            raise _declaration.DeclarationInvalid(
                f"{identity}: {name} is filled in by Pacemaker and must not be an option"
                f" of a fence device; use pcmk_host_list or pcmk_host_map"
            )
        known = name in agent.parameters or name in ("OCF_CHECK_LEVEL", "trace_ra", "trace_file")
        if known or (fence and only_for_pacemaker(name)):
            continue
        raise _declaration.DeclarationInvalid(
            f"{identity}: the agent {agent.name} has no option {name}{hint(name, agent.parameters)}"
        )
    for name, parameter in sorted(agent.parameters.items()):
        if not parameter.required or (fence and name in FENCER_FILLS):
            continue
        # An old name may stand for the new one and the other way round.
        others = {o for o, known in agent.parameters.items() if known.replaces == name}
        if not ({name, parameter.replaces} | others) & set(options):
            raise _declaration.DeclarationInvalid(
                f"{identity}: the agent {agent.name} needs the option {name}"
            )
