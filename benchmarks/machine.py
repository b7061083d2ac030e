"""What a table was measured on."""

from __future__ import annotations

import platform
import subprocess
from datetime import date
from pathlib import Path

import torch

_CPU_FLAGS = ('avx2', 'avx512f', 'avx512_bf16', 'amx_bf16')


def _cpu() -> tuple[str, list[str]]:
    """Name and the instruction sets that matter here; what Linux does not tell stays out."""
    path = Path('/proc/cpuinfo')
    lines = path.read_text(encoding='utf-8').splitlines() if path.exists() else []
    entries = {key.strip(): value.strip() for key, _, value in (line.partition(':') for line in lines)}
    flags = entries.get('flags', '').split()
    name = entries.get('model name') or platform.processor() or platform.machine()
    return name, [flag for flag in _CPU_FLAGS if flag in flags]


def commit() -> str:
    """Commit of the code beside this file, ``+ changes`` if files differ from it; "unknown" without git."""
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        return subprocess.run(
            ['git', '-C', str(here), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git('rev-parse', '--short=12', 'HEAD') + (' + changes' if git('status', '--porcelain') else '')
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'


def describe(device: str, threads: int) -> dict[str, str]:
    """Machine, software and state of the code, as short texts by name."""
    cpu, flags = _cpu()
    found = {
        'date': date.today().isoformat(),
        'commit': commit(),
        'torch': str(torch.__version__),
        'cpu': f'{cpu} ({", ".join(flags)})' if flags else cpu,
        'threads': str(threads),
    }
    if device == 'cuda':
        found['card'] = torch.cuda.get_device_name()
    return found
