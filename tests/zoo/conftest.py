from __future__ import annotations

import hashlib
import random

import pytest
import yaml

from zoo.server import serving

CONTENT = random.Random(0).randbytes(50_000)


@pytest.fixture
def server():
    with serving(CONTENT) as running:
        yield running


@pytest.fixture
def zoo(tmp_path, monkeypatch, server):
    """An index of one model that has to be downloaded, and an empty cache."""
    entry = {
        'name': 'far',
        'summary': 'far away',
        'task': 'deraining',
        'training_data': 'none',
        'file': 'far.safetensors',
        'size': len(CONTENT),
        'sha256': hashlib.sha256(CONTENT).hexdigest(),
        'licence': 'none',
    }
    index = tmp_path / 'index.yml'
    index.write_text(yaml.safe_dump({'default': 'far', 'models': [entry]}))
    monkeypatch.setenv('CCLGAN_ZOO_INDEX', str(index))
    monkeypatch.setenv('CCLGAN_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('CCLGAN_ZOO_URL', server.address)
    for name in ('CCLGAN_OFFLINE', 'http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    return tmp_path / 'cache'
