"""A drill's settings: waits so short that every alert fires within minutes."""

from stack.settings import Duration, Settings
from stack.settings.load import faster

SCRAPE = Duration(1)  # between two scrapes of the drill's target, and two evaluations of its rules
_SENT_WITHIN = 20.0  # seconds after Alertmanager's wait
_LONGEST = 180.0  # seconds that an alert may wait before it fires


def quick(settings: Settings) -> Settings:
    """Return the settings for the drill's rules and the synthetic bot's series."""
    waits = [float(alert.for_) for alert in settings.alerts.values()]
    waits += [float(rate.for_) for rate in settings.sla.burn_rates]
    shortened: Settings = faster(settings, max(1.0, max(waits) / _LONGEST))
    collection = shortened.collection
    groups = {
        name: group.model_copy(update={"interval": SCRAPE}) for name, group in collection.groups.items()
    }
    paced = collection.model_copy(update={**groups, "evaluation_interval": SCRAPE})
    return shortened.model_copy(update={"collection": paced})


def stay(settings: Settings) -> dict[str, str]:
    """Return by severity the shortest time that a drill's alert fires: longer than Alertmanager's wait."""
    wait = settings.routing.group_wait
    waits = {"critical": wait.critical, "warning": wait.warning, "info": wait.info, "meta": wait.critical}
    return {severity: str(Duration(seconds + _SENT_WITHIN)) for severity, seconds in waits.items()}
