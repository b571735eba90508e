"""Each role's argument specification and its defaults name the same options."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text()) or {}


def findings(role: Path) -> list[str]:
    """What is wrong with one role, in words."""
    spec = load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    defaults = load(role / "defaults" / "main.yml")
    readme = (role / "README.md").read_text()
    found = []
    for name in sorted(set(defaults) - set(spec)):
        found.append(f"{name} has a default and is not in argument_specs")
    for name, option in spec.items():
        if not name.startswith(f"{role.name}_"):
            found.append(f"{name} does not begin with the role's name")
        if option.get("required") and name in defaults:
            found.append(f"{name} is required and has a default")
        if not option.get("required") and name not in defaults and "default" not in option:
            optional = f"# {name}:"
            if optional not in (role / "defaults" / "main.yml").read_text():
                found.append(
                    f"{name} is neither required nor has a default nor stands commented out"
                )
        if "default" in option and option["default"] != defaults.get(name):
            found.append(f"{name}: argument_specs and defaults differ")
        if "description" not in option:
            found.append(f"{name} has no description")
        if name not in readme:
            found.append(f"{name} is not in the role's README")
    return found


def main() -> int:
    roles = sorted(path for path in ROLES.iterdir() if path.is_dir())
    bad = [f"{role.name}: {text}" for role in roles for text in findings(role)]
    print(
        "\n".join(bad) or f"{len(roles)} roles: argument specifications, defaults and README agree"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
