"""All dashboards: Linkerd's eighteen by their names, and `links`. In: the rooms beside. Out: `BOARDS`.

Never here: what a dashboard shows.
"""

from tools.grafana import ground, mesh, workloads
from tools.grafana.model import Board

BOARDS: tuple[Board, ...] = (*mesh.BOARDS, *workloads.BOARDS, *ground.BOARDS)
