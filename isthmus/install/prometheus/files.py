"""The files of rules that a Prometheus is given. In: `recording`, `alerts.yml`. Out: texts by file name, for a ConfigMap or a folder.

Never here: what a rule says.
"""

import importlib.resources

from isthmus.install import manifest
from isthmus.install.prometheus import recording

RECORDING, ALERTS = "recording.yml", "alerts.yml"
SCRAPE = 10.0


def rules(scrape: float = SCRAPE) -> dict[str, str]:
    """All files of rules, by name, for a Prometheus that scrapes each `scrape` seconds."""
    alerts = importlib.resources.files("isthmus.install.prometheus").joinpath(ALERTS).read_text()
    return {RECORDING: manifest.write([{"groups": recording.groups(scrape)}]).removeprefix("---\n"), ALERTS: alerts}
