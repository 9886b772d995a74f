"""What the machine must have. In: the cache folder. Out: `Tools`, or one sentence that names what is missing.

Small packages are installed by apt-get when root (none of them starts a service); containerd, runc and the CNI plugins are only
unpacked into the cache, so that no service of the user's system is started or changed; where the system has them already, those are used.
Never here: another package manager. On other distributions the sentence says which programs to install.
"""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable

from isthmus import errors

Say = Callable[[str], None]

INSTALLED = {
    "ip": "iproute2",
    "nft": "nftables",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
}
# What goes into the proxy's image besides our own programs.
IMAGED = {"xtables-nft-multi": "iptables", "xtables-legacy-multi": "iptables", "nft": "nftables"}
UNPACKED = {"containerd": "containerd", "ctr": "containerd", "runc": "runc"}
OPTIONAL = {"prometheus": "prometheus"}  # goes into an image of its own; a lab without it can do all but measure
DEBS = "lab-deb"
"""The folder of the cache that packages are unpacked into."""
WATCHES, WATCHES_WITHOUT_NODES = 24, 14  # inotify instances: API server 6, controllers 5, kubelet 6, and a few
CNI_PACKAGE = "containernetworking-plugins"
CNI_PLUGINS = ("ptp", "host-local", "portmap")
CNI_DIRS = (pathlib.Path("/usr/lib/cni"), pathlib.Path("/opt/cni/bin"))
SBIN = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclasses.dataclass(frozen=True, slots=True)
class Tools:
    """Where a node finds its programs: a search path, the folder of CNI plugins, containerd's major and minor version."""

    path: str
    cni: pathlib.Path
    containerd: tuple[int, int]


def root(euid: int, platform: str = sys.platform) -> None:
    """Refuse anything but root on Linux. Raises IsthmusError."""
    if platform != "linux":
        raise errors.IsthmusError(
            f"the lab runs on Linux, this is {platform}", hint="use kubeconfig contexts of clusters you have"
        )
    if euid != 0:
        raise errors.IsthmusError(
            "the lab makes network namespaces and control groups, which needs root", hint="run it with sudo, or as root"
        )


def watches(clusters: int, each: int, limit: int, used: int) -> None:
    """Refuse when the nodes would run out of inotify instances: a kubelet then ends with `too many open files`. Raises IsthmusError."""
    wanted = clusters * each
    if limit - used < wanted:
        raise errors.IsthmusError(
            f"{clusters} clusters need {wanted} inotify instances; root has {used} of {limit} in use",
            hint=f"end another lab, or: sysctl fs.inotify.max_user_instances={used + wanted + 128}",
        )


def watches_used(proc: pathlib.Path = pathlib.Path("/proc")) -> int:
    """How many inotify instances root's processes hold."""
    used = 0
    for process in proc.glob("[0-9]*"):
        try:
            if process.stat().st_uid == 0:
                used += sum(str(fd.readlink()) == "anon_inode:inotify" for fd in (process / "fd").iterdir())
        except OSError:
            continue  # it ended meanwhile
    return used


def watches_limit() -> int:
    """How many one user may hold."""
    return int(pathlib.Path("/proc/sys/fs/inotify/max_user_instances").read_text())


def find(cache: pathlib.Path, say: Say) -> Tools:
    """All tools, fetched where they are missing. Raises IsthmusError."""
    path = search()
    programs(INSTALLED, path, say)
    unpacked = cache / DEBS
    path = f"{path}:{unpacked}/usr/bin:{unpacked}/usr/sbin"
    cni_dirs = (*CNI_DIRS, unpacked / "usr/lib/cni")
    missing = {deb for exe, deb in UNPACKED.items() if not shutil.which(exe, path=path)}
    if cni(cni_dirs) is None:
        missing.add(CNI_PACKAGE)
    _unpack(sorted(missing), unpacked, say)
    found = cni(cni_dirs)
    for exe, deb in UNPACKED.items():
        if not shutil.which(exe, path=path):
            raise errors.IsthmusError(f"the program {exe} is not there after unpacking {deb}", hint=f"install {deb}")
    if found is None:
        raise errors.IsthmusError(
            f"the CNI plugins are not there after unpacking {CNI_PACKAGE}", hint=f"install {CNI_PACKAGE}"
        )
    return Tools(path, found, version(_ask("containerd", path)))


def optional(cache: pathlib.Path, say: Say) -> None:
    """Fetch what a lab is nicer with; where that cannot be, say so and go on."""
    path = f"{search()}:{cache / DEBS}/usr/bin"
    try:
        _unpack(sorted({deb for exe, deb in OPTIONAL.items() if not shutil.which(exe, path=path)}), cache / DEBS, say)
    except (errors.IsthmusError, subprocess.CalledProcessError) as failed:
        say(f"goes on without: {failed}")


def search() -> str:
    """The search path: the caller's, then the folders that root's often lacks."""
    system = os.environ.get("PATH", "").split(":")
    return ":".join(dict.fromkeys([*filter(None, system), *SBIN]))


def programs(wanted: dict[str, str], path: str, say: Say) -> None:
    """Have the packages of programs that are not in `path` installed. Raises IsthmusError, which names them, where that can't be."""
    _install(sorted({deb for exe, deb in wanted.items() if not shutil.which(exe, path=path)}), say)


def cni(folders: tuple[pathlib.Path, ...]) -> pathlib.Path | None:
    """The first folder that holds every plugin the lab uses."""
    return next((d for d in folders if all((d / plugin).exists() for plugin in CNI_PLUGINS)), None)


def version(said: str) -> tuple[int, int]:
    """Major and minor in `containerd --version`: `containerd NAME 1.6.20~ds1 ...` or `containerd NAME v2.0.4 ...`."""
    found = re.search(r"\sv?(\d+)\.(\d+)\.\d+", said)
    if not found:
        raise errors.IsthmusError(
            f"containerd does not say its version: {said.strip()!r}", hint="containerd 1.6 or later"
        )
    return int(found[1]), int(found[2])


def _ask(program: str, path: str) -> str:
    exe = shutil.which(program, path=path) or program
    done = subprocess.run([exe, "--version"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise errors.IsthmusError(f"{program} does not run: {done.stderr.strip()}", hint="install the library it names")
    return done.stdout


def _install(debs: list[str], say: Say) -> None:
    if not debs:
        return
    root = os.geteuid() == 0
    if not root or not shutil.which("apt-get"):
        raise errors.IsthmusError(
            f"programs are missing: {' '.join(debs)} (Debian's package names)",
            hint="install them with your package manager" + ("" if root else ", or run this as root on Debian"),
        )
    say(f"installing {' '.join(debs)}")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *debs]
    _apt(command, env, f"apt-get install {' '.join(debs)}")


def _unpack(debs: list[str], target: pathlib.Path, say: Say) -> None:
    if not debs:
        return
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise errors.IsthmusError(
            f"programs are missing: {' '.join(debs)} (Debian's package names)",
            hint="install them with your package manager",
        )
    say(f"fetching {' '.join(debs)} into {target} (nothing is installed)")
    target.mkdir(parents=True, exist_ok=True)
    command = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", *debs]
    _apt(command, dict(os.environ), f"apt-get install {' '.join(debs)}", cwd=target)
    for deb in debs:
        for file in target.glob(f"{deb}_*.deb"):
            subprocess.run(["dpkg-deb", "-x", file.name, "."], cwd=target, check=True)
            file.unlink()


def _apt(command: list[str], env: dict[str, str], advice: str, cwd: pathlib.Path | None = None) -> None:
    """Run apt-get; the lists of packages may be missing or old, so once more after an update."""
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        subprocess.run(["apt-get", "update", "-qq"], env=env, capture_output=True, check=False)
        done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise errors.IsthmusError(f"apt-get failed: {last}", hint=advice)
