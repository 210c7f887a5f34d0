"""The command `nightdesk uninstall`: removes its files outside its directory, and lists the rest."""

import os
import shutil

import click

from stack.instance import LOCK, Instance, on_instance, running
from stack.oncall import NotDone
from stack.printing import say
from stack.service import Unit, remove


@click.command()
@click.option("--name", default="nightdesk", metavar="NAME", help="The unit's name; default: nightdesk")
@click.option("--data-too", is_flag=True, help="Delete incidents, trades and history, too")
@on_instance
def uninstall(instance: Instance, name: str, data_too: bool) -> None:
    """Stop and remove the systemd service, delete the data on request, and list the rest."""
    data = instance.data.absolute()
    if data_too and data.exists() and not (data / LOCK).is_file():
        raise NotDone(
            f"{data}: is not a data directory of Nightdesk, so nothing is deleted; name it: --data DIR"
        )
    for unit in (Unit(name, None), Unit(name, "root")):
        if not unit.file.is_file():
            continue
        if unit.user and os.geteuid():
            raise NotDone(f"{unit.file} belongs to the system: run this with sudo")
        remove(unit)
    if found := running(data):
        raise NotDone(
            f"it still runs as process {found[0]}, which no service started; stop it, then run this again"
        )
    if data_too and data.exists():
        shutil.rmtree(data)
        say(f"deleted {data}")
    root = instance.config[0].absolute().parent
    named = (*(file.absolute() for file in instance.config), root / "secrets", data)
    kept = [path for path in named if path.exists()]
    say(f"it keeps {', '.join(map(str, kept)) or 'nothing'}: yours to delete")
    say("containers and their volumes go by `docker compose down --volumes`, the program with its directory")
